package typescript

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/cmd/parley/internal/typescript/testdata/everything"
	"github.com/parley-go/parley/cmd/parley/internal/typescript/testdata/other"
	"github.com/parley-go/parley/internal/camel"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata/golden. interop/contract.test.mjs
// gives these files to the TypeScript compiler.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			t.Fatalf("%s:%d\n got %s\nwant %s\n(go test -update writes the file anew)", file, i+1, gotLines[i], wantLines[i])
		}
	}
	t.Fatalf("%s has %d lines, want %d", file, len(gotLines), len(wantLines))
}

func printed(t *testing.T, folder string, o Options) string {
	t.Helper()
	p, err := Load(t.Context(), "", folder)
	if err != nil {
		t.Fatal(err)
	}
	text, err := p.Print(o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestGolden(t *testing.T) {
	tests := []struct {
		file string
		o    Options
	}{
		{"everything.ts", Options{Command: "parley contract ts"}},
		{"everything.d.ts", Options{Command: "parley contract dts", Ambient: true}},
		{"signalr.ts", Options{NoSocketIO: true}},
		{"declared.ts", Options{NoSocketIO: true, AsDeclared: true}},
		{"socketio.ts", Options{NoSignalR: true}},
	}
	for _, tt := range tests {
		golden(t, tt.file, printed(t, "testdata/everything", tt.o))
	}
	golden(t, "lone.ts", printed(t, "testdata/lone", Options{}))
}

// TestTheDeclarationsOfTheDuplexPage wants the file beside the page to be what
// go generate makes of its contract.
func TestTheDeclarationsOfTheDuplexPage(t *testing.T) {
	const folder = "../../../../examples/duplex"
	want, err := os.ReadFile(filepath.Join(folder, "jobs.d.ts"))
	if err != nil {
		t.Fatal(err)
	}
	if got := printed(t, folder+"/jobs", Options{Command: "parley contract dts", Ambient: true}); got != string(want) {
		t.Error("jobs.d.ts is not what its contract says; run go generate ./examples/duplex/jobs")
	}
}

// TestSamples writes values as the hub does, for the TypeScript compiler to
// hold them against their declarations.
func TestSamples(t *testing.T) {
	text, color, unseen, n := "text", other.Blue, other.Unseen(), 7
	p, odd := &n, everything.Odd(3)
	full := everything.Everything{
		Base: other.Base{ID: 1, Version: 2, Hidden: true}, Quiet: &everything.Quiet{Hidden: "no", Name: "quiet"}, Hidden: 3, Bool: true, Int: 1 << 40, Text: 5, Float: 1.5,
		String: "</script>", Time: time.Unix(0, 0).UTC(), Zero: time.Unix(1, 0).UTC(), Duration: time.Second, Pointer: &text, Twice: &p,
		Slice: []int{1}, Maybe: []int{2}, Pointers: []*string{nil, &text}, Array: [2]bool{true, false}, Map: map[string]int{"a": 1}, Numbers: map[int][]string{5: nil, 6: {"x"}},
		Addresses: map[netip.Addr]bool{netip.MustParseAddr("::1"): true}, Colors: map[other.Color]bool{other.Red: true}, Any: []any{1, "a", nil}, Error: nil,
		RawMessage: json.RawMessage(`{"a":[1]}`), Raw: json.RawMessage(`"raw"`), Number: "12.50", Address: netip.MustParseAddr("10.0.0.1"), Big: big.NewInt(99),
		Odds: &odd, Other: other.Item{Name: "other", When: time.Unix(2, 0).UTC()}, Color: color, Item: &everything.Item{Name: "n", ID: "id", Dashed: "d", Dash: "-"},
		Either: everything.Both[string, []everything.Item]{A: "a", B: []everything.Item{{}}},
	}
	full.Inline.Z = &struct{ Deep bool }{true}
	samples := []struct {
		typ    string
		shared bool // by both families
		value  any
	}{
		{"Everything", false, full},
		{"Everything", false, everything.Everything{Color: other.Red, Other: other.Item{}}},
		{"Item", false, *full.Item},
		{"PagedOfItem", false, everything.Paged[everything.Item]{Items: []everything.Item{{Name: "a"}}, Next: &everything.Item{}, More: true}},
		{"PagedOfItem", false, everything.Paged[everything.Item]{}},
		{"BothOfIntAndItem", false, everything.Both[int, *other.Item]{A: 1}},
		{"Node", false, everything.Node{Value: "v", Left: &everything.Node{}, Kids: []everything.Node{{}}, Named: map[string]*everything.Node{"nil": nil}}},
		{"Forest", true, everything.Forest{{}, nil, {{}}}},
		{"Choice", false, everything.Choice{State: everything.Open, States: []everything.State{everything.Closed}, By: map[everything.State]int{everything.Open: 1}, Level: 3, Color: &color}},
		{"Choice", false, everything.Choice{State: everything.Open, Color: &unseen}},
		{"Blob", false, everything.Blob{Sums: [4]byte{1, 2, 3, 4}}},
		{"EverythingPromise", false, everything.Promise{Kept: true}},
	}
	var b strings.Builder
	b.WriteString("// What the hub writes, written by TestSamples.\n\nimport type * as all from \"./everything.js\";\n\n")
	for i, s := range samples {
		inCamel, err := camel.Append(nil, s.value)
		if err != nil {
			t.Fatal(err)
		}
		declared, err := json.Marshal(s.value) // as there are no bytes in it, Socket.IO's
		if err != nil {
			t.Fatal(err)
		}
		signalr, socketio := "all.SignalR."+s.typ, "all.SocketIO."+s.typ
		if s.shared {
			signalr, socketio = "all."+s.typ, "all."+s.typ
		}
		fmt.Fprintf(&b, "export const signalr%d: %s = %s;\nexport const socketio%d: %s = %s;\n", i, signalr, inCamel, i, socketio, declared)
	}
	bytes, err := camel.Append(nil, everything.Blob{Data: []byte("data"), Maybe: everything.Bytes("maybe"), Parts: [][]byte{nil, {1}}})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "export const bytes: all.SignalR.Blob = %s;\n", bytes)
	golden(t, "samples.ts", b.String())
}

func TestWhatCannotBePrinted(t *testing.T) {
	tests := []struct {
		folder string
		want   []string
	}{
		{"broken", []string{"broken.go:5:26: undefined: Draft"}},
		{"silent", []string{"testdata/silent has no contracts", "parley.Command"}},
		{"hidden", []string{"the contracts of", "are not exported"}},
		{"twice", []string{`twice.go:10: Empty has the name "clear", as has Clear (testdata/twice/twice.go:8)`}},
		{"unfit", []string{
			"unfit.go:8: a value of type func(string) cannot travel as JSON (testdata/unfit/unfit.go:17: field Then)",
			"unfit.go:9: a value of type chan int cannot travel as JSON",
			"unfit.go:10: a value of type complex128 cannot travel as JSON",
			"unfit.go:11: a map by Key cannot travel as JSON",
		}},
		{"taken", []string{`taken.go:7: Socket.IO has the name "connect" of Connect for itself; for SignalR alone, add -for signalr`}},
		{"nowhere", []string{"nowhere"}},
		{"...", []string{"packages, and one is wanted"}},
	}
	for _, tt := range tests {
		p, err := Load(t.Context(), "", "./testdata/"+tt.folder)
		if err == nil {
			_, err = p.Print(Options{})
		}
		if err == nil {
			t.Errorf("%s: no error", tt.folder)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", tt.folder, err, want)
			}
		}
		if n := strings.Count(err.Error(), "\n") + 1; n > len(tt.want) && tt.folder != "nowhere" {
			t.Errorf("%s: says %d lines:\n%v", tt.folder, n, err)
		}
	}
}

func TestSignalRHasNoReservedNames(t *testing.T) {
	if text := printed(t, "testdata/taken", Options{NoSocketIO: true}); !strings.Contains(text, "connect: (value: string) => void;") {
		t.Errorf("got %s", text)
	}
}

func TestAPackageIsFoundByPathAndFolder(t *testing.T) {
	folder, err := filepath.Abs("testdata/everything")
	if err != nil {
		t.Fatal(err)
	}
	want := printed(t, folder, Options{})
	const path = "github.com/parley-go/parley/cmd/parley/internal/typescript/testdata/everything"
	for _, name := range []string{path, "testdata/everything", "./testdata/everything/"} {
		if printed(t, name, Options{}) != want {
			t.Errorf("%s is printed otherwise", name)
		}
	}
}

func TestNamesInCamelCaseAreTheHubs(t *testing.T) {
	for _, name := range []string{"UserName", "URLValue", "ID", "X", "already", "ÄÖName", "HTTP2", "A1B", "IPv6"} {
		if got, want := camelCase(name), camel.Name(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestFieldsOfOneNameInCamelCaseStayAsDeclared(t *testing.T) {
	got := inCamelCase([]field{{name: "Name"}, {name: "name", tagged: true}, {name: "URL"}, {name: "Url"}, {name: "Other"}})
	var names []string
	for _, f := range got {
		names = append(names, f.name)
	}
	value, err := camel.Append(nil, struct {
		Name     string
		Lower    string `json:"name"`
		URL, Url string
		Other    string
	}{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.Contains(string(value), `"`+name+`":`) {
			t.Errorf("the hub writes %s, which has no %s", value, name)
		}
	}
}

func TestAmbientNamespaces(t *testing.T) {
	for _, tt := range []struct{ name, path, want string }{
		{"jobs", "example.com/jobs", "Jobs"}, {"main", "example.com/my-chat", "My_chat"}, {"x2", "x2", "X2"},
	} {
		if got := (&Package{name: tt.name, path: tt.path}).global(); got != tt.want {
			t.Errorf("%s of %s: %s, want %s", tt.name, tt.path, got, tt.want)
		}
	}
}
