package websocket

import (
	"net/http/httptest"
	"testing"
)

func TestWhichOriginsMayConnect(t *testing.T) {
	wild, exact := []string{"*.example.com"}, []string{"example.com", "https://other.example:8443"}
	tests := []struct {
		name    string
		host    string
		origins []string
		allowed []string
		want    bool
	}{
		{"not a browser", "chat.test", nil, nil, true},
		{"same host", "chat.test", []string{"https://chat.test"}, nil, true},
		{"same host, other scheme and case", "Chat.Test", []string{"http://chat.TEST"}, nil, true},
		{"same host and port", "chat.test:8080", []string{"http://chat.test:8080"}, nil, true},
		{"other port", "chat.test:8080", []string{"http://chat.test:8081"}, nil, false},
		{"same host, IPv6", "[::1]:80", []string{"http://[::1]:80"}, nil, true},
		{"other host", "chat.test", []string{"https://evil.test"}, nil, false},
		{"the host as a prefix", "chat.test", []string{"https://chat.test.evil.test"}, nil, false},
		{"the host as a user", "chat.test", []string{"https://chat.test@evil.test"}, nil, false},
		{"a user before the host", "chat.test", []string{"https://evil@chat.test"}, nil, false},
		{"several origins", "chat.test", []string{"https://chat.test", "https://chat.test"}, nil, false},
		{"several in one", "chat.test", []string{"https://chat.test https://evil.test"}, nil, false},
		{"empty", "chat.test", []string{""}, nil, false},
		{"null", "chat.test", []string{"null"}, exact, false},
		{"null, listed", "chat.test", []string{"null"}, []string{"null"}, true},
		{"a path", "chat.test", []string{"https://chat.test/"}, nil, false},
		{"no scheme", "chat.test", []string{"chat.test"}, nil, false},
		{"garbage", "chat.test", []string{"https://%zz"}, nil, false},
		{"listed", "chat.test", []string{"https://example.com"}, exact, true},
		{"listed, other scheme", "chat.test", []string{"http://EXAMPLE.com"}, exact, true},
		{"listed, other port", "chat.test", []string{"https://example.com:444"}, exact, false},
		{"listed with scheme and port", "chat.test", []string{"https://other.example:8443"}, exact, true},
		{"listed with another scheme", "chat.test", []string{"http://other.example:8443"}, exact, false},
		{"wildcard", "chat.test", []string{"https://a.example.com"}, wild, true},
		{"wildcard, deeper", "chat.test", []string{"https://a.b.example.com"}, wild, true},
		{"wildcard, not the domain itself", "chat.test", []string{"https://example.com"}, wild, false},
		{"wildcard, only whole labels", "chat.test", []string{"https://evil-example.com"}, wild, false}, // CVE-2022-42975
		{"wildcard, empty label", "chat.test", []string{"https://.example.com"}, wild, false},
		{"wildcard, as a prefix", "chat.test", []string{"https://a.example.com.evil.test"}, wild, false},
		{"wildcard with scheme", "chat.test", []string{"https://a.example.com"}, []string{"https://*.example.com"}, true},
		{"wildcard with another scheme", "chat.test", []string{"http://a.example.com"}, []string{"https://*.example.com"}, false},
		{"a star is no wildcard", "chat.test", []string{"https://evil.test"}, []string{"*", "*.", "", "https://"}, false},
		{"a letter that folds to ASCII", "K.test", []string{"https://\u212A.test"}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Host = tt.host
			if tt.origins != nil {
				r.Header["Origin"] = tt.origins
			}
			err := CheckOrigin(r, tt.allowed)
			if got := err == nil; got != tt.want {
				t.Errorf("got %v, want allowed %v", err, tt.want)
			}
		})
	}
}
