package sdkauth

import "net/http"

// Base returns what a config's transport wraps.
func Base(t http.RoundTripper) http.RoundTripper { return t.(*recovery).base }
