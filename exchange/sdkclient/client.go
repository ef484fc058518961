package sdkclient

import (
	"fmt"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/config"

	"github.com/brickfed/brickfed/exchange/sdkauth"
)

// Workspace returns a client for the workspace that cfg names, whose tokens come
// from s. The client keeps cfg, which must not be used for another one, nor
// changed any more. A nil cfg means one that the environment fills. Mistakes in
// cfg and s are reported before the network is used, except that the SDK asks the
// host for its metadata.
func Workspace(cfg *databricks.Config, s sdkauth.Strategy) (*databricks.WorkspaceClient, error) {
	cfg, err := apply(cfg, s)
	if err != nil {
		return nil, fmt.Errorf("sdkclient: make workspace client: %w", err)
	}
	client, err := databricks.NewWorkspaceClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("sdkclient: make workspace client: %w", err)
	}
	return client, nil
}

// Account returns a client for the account that cfg names, like [Workspace]. Its
// GetWorkspaceClient makes clients that exchange at their workspaces, with tokens
// of their own.
func Account(cfg *databricks.Config, s sdkauth.Strategy) (*databricks.AccountClient, error) {
	cfg, err := apply(cfg, s)
	if err != nil {
		return nil, fmt.Errorf("sdkclient: make account client: %w", err)
	}
	client, err := databricks.NewAccountClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("sdkclient: make account client: %w", err)
	}
	return client, nil
}

func apply(cfg *databricks.Config, s sdkauth.Strategy) (*databricks.Config, error) {
	if cfg == nil {
		cfg = &databricks.Config{}
	}
	return cfg, sdkauth.Apply((*config.Config)(cfg), s)
}
