package exchange

import (
	"net/http"
	"time"

	"github.com/brickfed/brickfed/internal/httpx"
)

// maxWait is the longest Retry-After that is honoured: a hostile header must not
// park us.
const maxWait = 10 * time.Minute

// retryAfter returns how long an answer asks us to wait, at most 10 minutes.
func retryAfter(h http.Header, now time.Time) time.Duration {
	return min(httpx.RetryAfter(h, now), maxWait)
}
