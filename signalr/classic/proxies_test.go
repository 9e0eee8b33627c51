package classic

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestProxyScript(t *testing.T) {
	script := string(proxyScript("/signalr", []proxied{
		{"chat", []string{"say", "who is here"}},
		{"StockTickerHub", []string{"OpenMarket", "GetAllStocks", "getAllStocks", "URLValue"}},
		{"empty", nil},
	}))
	for _, want := range []string{
		`add("stockTickerHub", "StockTickerHub", [["getAllStocks", "GetAllStocks"], ["openMarket", "OpenMarket"], ["uRLValue", "URLValue"]]);`,
		`add("chat", "chat", [["say", "say"], ["who is here", "who is here"]]);`,
		`add("empty", "empty", []);`,
		`signalR.hub = $.hubConnection("/signalr", { useDefaultPath: false });`,
	} {
		if !strings.Contains(script, want) {
			t.Errorf("the script has no %s\n%s", want, script)
		}
	}
	if strings.Index(script, `add("stockTickerHub"`) > strings.Index(script, `add("chat"`) {
		t.Error("the hubs are not sorted by name")
	}
	if strings.Index(script, "connection.starting(") > strings.Index(script, "add(\"chat\"") {
		t.Error("the hubs are made before the connection is told to register what they receive: it would start without")
	}
}

// TestProxyScriptOfAHostilePath: the path comes from whoever asks for the script.
func TestProxyScriptOfAHostilePath(t *testing.T) {
	for _, base := range []string{`/x");alert(1);("`, "/x</script><script>alert(1)</script>", "/x\\", "/x\n\u2028\u2029", "/\xff", `/'+"`} {
		script := string(proxyScript(base, nil))
		_, rest, _ := strings.Cut(script, "$.hubConnection(\"")
		quoted, _, found := strings.Cut(rest, `, { useDefaultPath`)
		var got string
		if err := json.Unmarshal([]byte(`"`+quoted), &got); err != nil || !found || got != strings.ToValidUTF8(base, "\ufffd") {
			t.Errorf("%q stands there as %s", base, quoted)
		}
		if strings.ContainsAny(quoted, "<>\n\u2028\u2029") {
			t.Errorf("%q leaves its string: %s", base, quoted)
		}
	}
}

func TestCamelCase(t *testing.T) {
	for in, want := range map[string]string{"ChatHub": "chatHub", "chat": "chat", "URLValue": "uRLValue", "Zoo.Lion": "zoo.lion", "": "", "Żaba": "żaba", ".A..": ".a..", "1X": "1X"} {
		if got := camelCase(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestValidCallback(t *testing.T) {
	for _, name := range []string{"cb", "jQuery350012345_1616", "$", "_", "a.b.c", "window.$.connection_1", "of", "newer"} {
		if !validCallback(name) {
			t.Errorf("%q was refused", name)
		}
	}
	for _, name := range []string{
		"", ".", "a.", ".a", "a..b", "1a", "a.1", "a b", " a", "a ", "alert(1)", "a;b", "a[0]", "a-b", "a\n", "a\x00", "<script>", "a/*", "żaba", "a\u200db",
		"new", "a.delete", "function", "this.x", "NaN", "null", "true", "undefined", "\\u0061", strings.Repeat("a", maxCallback+1),
	} {
		if validCallback(name) {
			t.Errorf("%q was taken", name)
		}
	}
}

func TestAppendScript(t *testing.T) {
	got := string(appendScript([]byte("r(c, "), []byte(`{"M":["</script>&\u2028"+"`+"\u2028\u2029ż"+`"]}`)))
	if want := `r(c, {"M":["\u003c/script\u003e\u0026\u2028"+"\u2028\u2029ż"]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzScript: what is a value of JSON is the same value in a script, and does not
// end one.
func FuzzScript(f *testing.F) {
	f.Add([]byte(`"</script>"`))
	f.Add([]byte("{\"\u2028\":[\"&<!--\"]}"))
	f.Add([]byte("\"\xff\xe2\x80\""))
	f.Fuzz(func(t *testing.T, data []byte) {
		out := appendScript(nil, data)
		if strings.ContainsAny(string(out), "<>&\u2028\u2029") {
			t.Fatalf("%q became %q", data, out)
		}
		var before, after any
		if json.Unmarshal(data, &before) != nil {
			return
		}
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatalf("%q became %q: %v", data, out, err)
		}
		a, _ := json.Marshal(before)
		b, _ := json.Marshal(after)
		if string(a) != string(b) {
			t.Errorf("%s became %s", a, b)
		}
	})
}

// FuzzCallback: a name that is taken is nothing but a name.
func FuzzCallback(f *testing.F) {
	f.Add("a.b")
	f.Add("alert(1)//")
	f.Fuzz(func(t *testing.T, name string) {
		const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789$_."
		if validCallback(name) && (name == "" || strings.Trim(name, letters) != "") {
			t.Errorf("%q", name)
		}
	})
}
