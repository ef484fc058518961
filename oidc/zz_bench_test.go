package oidc_test
import ("testing";"context";gooidc "github.com/coreos/go-oidc/v3/oidc";"github.com/brickfed/brickfed/oidc/oidctest";"github.com/brickfed/brickfed/oidc")
func BenchmarkGoOIDC(b *testing.B){ for _, alg := range []string{oidctest.RS256, oidctest.ES256} { b.Run(alg, func(b *testing.B){
 idp := newIDP(b, oidctest.Config{Algorithm: alg})
 p,err:=gooidc.NewProvider(gooidc.ClientContext(context.Background(), idp.Client()), idp.Issuer()); if err!=nil{b.Fatal(err)}
 v:=p.Verifier(&gooidc.Config{ClientID:"me"})
 raw:=sign(b, idp, nil, person())
 b.ReportAllocs()
 for b.Loop(){ if _,err:=v.Verify(b.Context(), raw);err!=nil{b.Fatal(err)} }
})}}
func BenchmarkParse(b *testing.B){ idp := newIDP(b, oidctest.Config{}); raw:=sign(b, idp, nil, person()); b.ReportAllocs(); for b.Loop(){ if _,err:=oidc.ParseToken(raw);err!=nil{b.Fatal(err)} }}
