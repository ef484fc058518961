package exchange

import (
	"net/http"
	"time"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/oidc"
)

// hostKind is what a Databricks host serves.
type hostKind string

const (
	workspaceHost hostKind = "workspace"
	accountHost   hostKind = "account"
	unifiedHost   hostKind = "unified"
)

// question is what one exchange asks: everything that its error may want to
// explain.
type question struct {
	host     string // origin of Config.Host
	kind     hostKind
	account  string
	endpoint string // URL of the token endpoint
	audience string // the audience wished for or insisted on
	subject  *oidc.Token
	target   claims.Target
	scope    string // as sent, space-separated
}

// answer is one HTTP answer of the token endpoint, read whole.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	sent     time.Time // when the request left
	received time.Time
}
