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
// first token. The errors are those of [sdkauth.Apply] and of the SDK; the host of
// an account is one too.
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
// of their own. It is an error if neither cfg, the environment nor the host says
// which account it is.
func Account(cfg *databricks.Config, s sdkauth.Strategy) (*databricks.AccountClient, error) {
	cfg, err := apply(cfg, s)
	if err != nil {
		return nil, fmt.Errorf("sdkclient: make account client: %w", err)
	}
	client, err := databricks.NewAccountClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("sdkclient: make account client: %w", err)
	}
	if client.Config.ConfigType() == config.WorkspaceConfig {
		return nil, fmt.Errorf("sdkclient: make account client: %s serves a workspace; set Host to the account console's URL, such as https://accounts.cloud.databricks.com, or use Workspace", client.Config.Host)
	}
	if client.Config.AccountID == "" {
		return nil, errors.New("sdkclient: make account client: AccountID is empty; set it to the account's ID")
	}
	return client, nil
}

func apply(cfg *databricks.Config, s sdkauth.Strategy) (*databricks.Config, error) {
	if cfg == nil {
		cfg = &databricks.Config{}
	}
	return cfg, sdkauth.Apply((*config.Config)(cfg), s)
}
