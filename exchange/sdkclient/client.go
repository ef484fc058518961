package sdkclient

import (
	"errors"
	"fmt"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/config"

	"github.com/brickfed/brickfed/exchange/sdkauth"
)

// Workspace returns a client for the workspace that cfg names, whose tokens come
// from s. The client keeps cfg, which must not be used for another one, nor
// changed any more, also after an error. A nil cfg means one that the environment
// fills.
//
// The SDK asks the host for its metadata here; the first request fetches the
// first token. The errors are those of [sdkauth.Apply] and of the SDK; no host, or
// the host of an account, is one too.
func Workspace(cfg *databricks.Config, s sdkauth.Strategy) (*databricks.WorkspaceClient, error) {
	cfg, err := apply(cfg, s)
	if err != nil {
		return nil, fmt.Errorf("sdkclient: make workspace client: %w", err)
	}
	client, err := databricks.NewWorkspaceClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("sdkclient: make workspace client: %w", err)
	}
	if client.Config.Host == "" {
		return nil, errors.New("sdkclient: make workspace client: no host; set Host or DATABRICKS_HOST to the workspace's URL")
	}
	if client.Config.ConfigType() == config.AccountConfig {
		return nil, fmt.Errorf("sdkclient: make workspace client: %s serves an account; set Host to the workspace's URL, or use Account", client.Config.Host)
	}
	return client, nil
}

// Account returns a client for the account that cfg names, like [Workspace]. Its
// GetWorkspaceClient makes clients that exchange at their workspaces, with tokens
// of their own. It is an error if no host is set, if that is a workspace's, or if
// neither cfg, the environment nor the host says which account it is.
func Account(cfg *databricks.Config, s sdkauth.Strategy) (*databricks.AccountClient, error) {
	cfg, err := apply(cfg, s)
	if err != nil {
		return nil, fmt.Errorf("sdkclient: make account client: %w", err)
	}
	client, err := databricks.NewAccountClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("sdkclient: make account client: %w", err)
	}
	if err := checkAccount(client.Config); err != nil {
		return nil, fmt.Errorf("sdkclient: make account client: %w", err)
	}
	return client, nil
}

// checkAccount returns everything that keeps a resolved config from serving an
// account.
func checkAccount(cfg *config.Config) error {
	var problems []error
	switch {
	case cfg.Host == "":
		problems = append(problems, errors.New("no host; set Host or DATABRICKS_HOST to the account console's URL, such as https://accounts.cloud.databricks.com"))
	case isWorkspace(cfg):
		problems = append(problems, fmt.Errorf("%s serves a workspace; set Host to the account console's URL, such as https://accounts.cloud.databricks.com, or use Workspace", cfg.Host))
	}
	if cfg.AccountID == "" {
		problems = append(problems, errors.New("AccountID is empty; set it, or DATABRICKS_ACCOUNT_ID, to the account's ID"))
	}
	return errors.Join(problems...)
}

// isWorkspace reports whether the host is known to serve a workspace and no
// account. The SDK calls every host a workspace whose metadata it could not get,
// such as a unified one during an outage; it has learned no DiscoveryURL then.
func isWorkspace(cfg *config.Config) bool {
	return cfg.ConfigType() == config.WorkspaceConfig && cfg.DiscoveryURL != ""
}

func apply(cfg *databricks.Config, s sdkauth.Strategy) (*databricks.Config, error) {
	if cfg == nil {
		cfg = &databricks.Config{}
	}
	return cfg, sdkauth.Apply((*config.Config)(cfg), s)
}
