// Package sdkclient makes Databricks SDK clients that authenticate with federated
// tokens.
//
//	w, err := sdkclient.Workspace(&databricks.Config{Host: host}, sdkauth.Strategy{
//		ClientID: "3f0c2a1e-1111-4000-8000-000000000001", // the service principal's application ID
//		Subject:  oidc.File("/var/run/secrets/databricks/token"),
//	})
//	if err != nil {
//		return err
//	}
//	me, err := w.CurrentUser.Me(ctx, iam.MeRequest{})
//
// It is two steps in one: [github.com/brickfed/brickfed/exchange/sdkauth.Apply]
// and the SDK's constructor. It links every service of the SDK; a program that
// wants less uses package sdkauth alone. How tokens are kept, what is read of the
// environment, and where errors show is said there.
//
// # Accounts
//
// One strategy may serve an account client and any number of workspace clients,
// also those that GetWorkspaceClient makes of the account client. Each client
// exchanges at its own host and has tokens of its own.
package sdkclient
