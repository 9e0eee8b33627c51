package classic

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const connectionID = "8a3f6c1e-0000-4000-8000-5b1d2c3e4f50"

func TestConnectionToken(t *testing.T) {
	k := newKeyring(nil, 0)
	for _, user := range []string{"", "ann", "Łucja\n\"x\" &?=+/", strings.Repeat("u", 300)} {
		token := k.connection(connectionID, user)
		if strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%q needs escapes in a URL", token)
		}
		if user != "" && strings.Contains(token, user) {
			t.Errorf("%q shows the user", token)
		}
		if id, got, _, ok := k.open(token); id != connectionID || got != user || !ok {
			t.Errorf("user %.20q: got %q %q %t", user, id, got, ok)
		}
	}
	if first, second := k.connection(connectionID, "ann"), k.connection(connectionID, "ann"); first == second {
		t.Error("two tokens are one")
	}
}

func TestTokenOfAnotherKey(t *testing.T) {
	key := []byte("a key that two processes share")
	token := newKeyring(key, 0).connection(connectionID, "ann")
	if _, _, _, ok := newKeyring(slices.Clone(key), 0).open(token); !ok {
		t.Error("the token did not survive a restart with the same key")
	}
	for name, other := range map[string]*keyring{"another": newKeyring([]byte("x"), 0), "a random": newKeyring(nil, 0)} {
		if _, _, _, ok := other.open(token); ok {
			t.Errorf("%s key opened it", name)
		}
	}
	if _, _, _, ok := newKeyring(nil, 0).open(newKeyring([]byte{}, 0).connection(connectionID, "ann")); ok {
		t.Error("two rings without a key share one")
	}
}

// TestForgedTokens: no byte of a token can be changed, nor its kind.
func TestForgedTokens(t *testing.T) {
	k := newKeyring(nil, 0)
	token := k.connection(connectionID, "ann")
	for i := range token {
		for _, c := range "A_b9" {
			forged := token[:i] + string(c) + token[i+1:]
			if _, _, _, ok := k.open(forged); ok && forged != token {
				t.Fatalf("%q was opened in place of %q", forged, token)
			}
		}
	}
	for _, forged := range []string{
		"", " ", "A", "wrong", token + "A", token + "=", token[1:], token[:len(token)-1], token + token, "\x00" + token, token + "\n",
		strings.Repeat("A", 30), strings.Repeat("A", maxToken), strings.Repeat("A", 10*maxToken), k.groups(connectionID, []string{connectionID, "ann"}),
	} {
		if _, _, _, ok := k.open(forged); ok {
			t.Errorf("%.60q was opened", forged)
		}
		if groups := k.openGroups(forged, connectionID); groups != nil && len(groups) != 2 {
			t.Errorf("%.60q is a token of the groups %q", forged, groups)
		}
	}
	if k.openGroups(token, connectionID) != nil || k.openGroups(token, "") != nil {
		t.Error("a connection's token was taken for one of groups")
	}
}

func TestGroupsToken(t *testing.T) {
	k := newKeyring(nil, 0)
	for _, groups := range [][]string{{"ChatHub.lobby"}, {"a.", "a.x", "b." + strings.Repeat("ż", 500)}, {"h.\n,\"]"}} {
		token := k.groups(connectionID, groups)
		if got := k.openGroups(token, connectionID); !slices.Equal(got, groups) {
			t.Errorf("got %q, want %q", got, groups)
		}
		for _, other := range []string{"", strings.ToUpper(connectionID), connectionID + "x", "8a3f6c1e-0000-4000-8000-5b1d2c3e4f51"} {
			if got := k.openGroups(token, other); got != nil {
				t.Errorf("connection %q reads %q", other, got)
			}
		}
	}
	if got := k.openGroups(k.groups(connectionID, nil), connectionID); len(got) != 0 {
		t.Errorf("no groups: got %q", got)
	}
}

func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for lifetime, want := range map[time.Duration]bool{0: true, time.Hour: false, 3 * time.Hour: true} {
			k := newKeyring(nil, lifetime)
			token := k.connection(connectionID, "ann")
			time.Sleep(2 * time.Hour)
			if _, _, _, ok := k.open(token); ok != want {
				t.Errorf("lifetime %v, after two hours: got %t, want %t", lifetime, ok, want)
			}
		}
	})
}

// FuzzToken: no text but a ring's own opens, and none does harm.
func FuzzToken(f *testing.F) {
	k := newKeyring([]byte("key"), 0)
	f.Add("", "")
	f.Add(k.connection("id", "user"), "id")
	f.Add(k.groups("id", []string{"a", "b"}), "id")
	f.Fuzz(func(t *testing.T, token, id string) {
		if _, _, _, ok := newKeyring([]byte("other"), 0).open(token); ok {
			t.Error("opened")
		}
		if newKeyring([]byte("other"), 0).openGroups(token, id) != nil {
			t.Error("opened as groups")
		}
		k.open(token)
		k.openGroups(token, id)
	})
}

// FuzzTexts: what is inside a token is cut as it was put together, or refused.
func FuzzTexts(f *testing.F) {
	f.Add([]byte("\x02id\x00"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"))
	f.Add([]byte{0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		list, ok := texts(data)
		if !ok {
			return
		}
		var again []byte
		for _, s := range list {
			again = appendText(again, s)
		}
		if got, ok := texts(again); !ok || !slices.Equal(got, list) {
			t.Errorf("%q became %q", list, got)
		}
	})
}
