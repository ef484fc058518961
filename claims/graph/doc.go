// Package graph completes the groups of Entra ID tokens that leave them out.
//
//	groups, err := graph.New(graph.Config{
//		Tenant: "3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607",
//		Token: func(ctx context.Context) (string, error) {
//			t, err := source.Token(ctx, "https://graph.microsoft.com") // an oidc.Source
//			if err != nil {
//				return "", err
//			}
//			return t.Raw(), nil
//		},
//	})
//	if err != nil {
//		return err
//	}
//	policy, err := claims.Load(file, claims.WithResolver(groups))
//
// Entra ID puts at most 200 groups into a token. For a person with more, it
// writes _claim_names and a URL instead of the groups ("Groups overage claim" in
// Microsoft's "Access token claims reference"), and in the implicit flow it
// writes hasgroups from the sixth group on. Without a resolver a policy refuses
// such a token as incomplete; a [Resolver] asks Microsoft Graph for the rest.
//
// # Where it asks
//
// The URL in the token is never used: whoever writes a token would choose who
// gets the Graph token. Microsoft too says to build one's own URL. This one is
// made of Config.Endpoint, which only the configuration sets, and the token's
// oid, which must be a UUID. It is https, or http on loopback for tests;
// redirects and links in answers are not followed. The Graph token goes there and
// nowhere else.
//
// # For whom it asks
//
// Only for the holders of tokens of Config.Tenant: iss must be one of that
// tenant's issuers, and tid must say the same. The token of another tenant, or
// one of another identity provider in the same policy that happens to carry oid
// and tid, is refused before anything is sent. A token with idtyp "app" is looked
// up as a service principal, every other one as a user; give the app registration
// the optional claim idtyp if applications call.
//
// # What it asks
//
// One request per lookup: getMemberGroups (Microsoft Graph v1.0, "directoryObject:
// getMemberGroups"). It follows nested groups, returns nothing but object IDs, and
// is complete or an error: for more than 11,000 groups Graph answers 400. That is
// why it was chosen. getMemberObjects, which the token's own URL names, adds
// directory roles and administrative units, which are no groups; the list
// transitiveMemberOf comes in pages, and selecting groups or their IDs in it needs
// an index that Microsoft says may lag behind, so that a leaver would keep groups.
// An answer that promises more pages is refused.
//
// IDs stay IDs: group names can change hands, so none are asked for. Write a
// lookup table from IDs to Databricks groups in the policy, in lower case.
//
// # Permissions
//
// The application behind Config.Token needs, as Graph application permissions
// with admin consent:
//
//	for people         User.ReadBasic.All and GroupMember.Read.All
//	for applications   Application.Read.All
//
// Directory.Read.All covers both and reads much more. Groups with hidden
// membership may be silently missing from Graph's answer unless Member.Read.Hidden
// is granted too; grant it if a deny rule names such a group.
//
// # As if the token had told
//
// By default every group is returned, whatever its kind. An app registration whose
// groupMembershipClaims is SecurityGroup emits security groups alone; set
// Config.SecurityGroupsOnly there, so that crossing the limit changes nothing. With
// ApplicationGroup only groups assigned to the application are emitted, which
// Graph cannot tell: the resolver returns the others as well. (Microsoft's text on
// securityEnabledOnly mentions directory roles too. Their IDs are no group's, so
// that nothing a policy says of groups matches them.)
//
// # Caching and failures
//
// A policy is mapped before every use of a token, so answers are kept: one minute
// by default, in memory, for at most 10,000 people, and no longer than
// Config.MaxAge says a leaver may stay. Concurrent lookups for one person share
// one request, which has 10 seconds, outlives the caller who started it and
// carries none of that caller's context values; each caller waits no longer than
// its own ctx. A failure is remembered for 5 seconds, or as long as Graph asks, up
// to 5 minutes; if Graph asks for less traffic (429, or 503 with Retry-After),
// nobody else's lookup is sent meanwhile either. Nothing is tried again in here.
//
// Every failure is an [*Error]. Its methods tell an outage, which passes, from a
// refusal, which somebody has to mend.
package graph
