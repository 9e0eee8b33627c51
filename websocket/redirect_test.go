package websocket

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

type testJar struct{ http.CookieJar }

func newJar(t *testing.T) testJar {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return testJar{jar}
}

// names lists the cookies that rawURL would get.
func (j testJar) names(t *testing.T, rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range j.Cookies(u) {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}
