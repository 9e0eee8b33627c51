package parley_test

// The rules of the house, checked: who may import whom, how large a room may grow, and what every Go file
// owes its reader. Each failure says the reason. ARCHITECTURE.md draws the plan these tables guard.
//
// Files are read from source, so that a rule holds for every operating system and build tag at once.

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const modulePath = "github.com/parley-go/parley"

// --- Rule: imports go down only ------------------------------------------------------------------------

// public is what a program built on Parley may import.
const public = ". wire wire/wiretest websocket forwarded signalr signalr/classic socketio plain parleytest " +
	"backplane backplane/backplanetest"

// rooms says which folders of the tree a folder may import, beside itself. A folder belongs to the room
// whose name is the longest prefix of its path; the root is a room of one folder. Tests may import anything.
var rooms = []struct {
	name    string
	may     string
	stdOnly bool // imports nothing from other modules
	why     string
}{
	{".", "wire internal", false, "the hub does not know what a WebSocket or a protocol is"},
	{"wire", "", true, "a protocol's author needs it and nothing more, so it stands on the standard library alone"},
	{"wire/wiretest", "wire internal", true, "the kit tests a Protocol or a Pipe without a hub"},
	{"websocket", "internal", false, "it is useful without the hub and knows neither hubs nor their messages"},
	{"forwarded", "", true, "it reads headers for any net/http server"},
	{"internal", "internal", true, "a leaf stands on the standard library and other leaves"},
	{"internal/msgpack", "wire internal", false, "MessagePack's bytes are a library's business; the mapping of Go types is ours"},
	{"internal/transport", "websocket wire internal", false, "a transport moves messages and knows no hub and no protocol"},
	{"signalr", protocolMay, false, protocolWhy},
	{"signalr/classic", protocolMay, false, protocolWhy},
	{"socketio", protocolMay, false, protocolWhy},
	{"socketio/webtransport", ". wire socketio", false, "a transport that needs a QUIC implementation is a module of its own, beside socketio"},
	{"plain", protocolMay, false, protocolWhy},
	{"parleytest", protocolMay, false, protocolWhy},
	{"backplane", "", false, "a backplane has its driver only and satisfies parley.Backplane by its methods"},
	{"backplane/backplanetest", ". wire parleytest internal", true, "the kit tests a Backplane against the hub's contract"},
	{"cmd", public + " examples", false, programWhy},
	{"examples", public, false, programWhy},
	{"bench", public, false, programWhy},
	{"interop", public, false, programWhy},
}

const (
	protocolMay = ". wire internal internal/msgpack internal/transport"
	protocolWhy = "a protocol reaches sockets through internal/transport and never knows another protocol"
	programWhy  = "a program uses the public packages, as a user's would"
)

func TestImports(t *testing.T) {
	for _, f := range tree(t).files {
		if f.test {
			continue
		}
		from := roomOf(f.dir)
		if from < 0 {
			t.Errorf("%s: folder %s is in no room; give it a row in the table of imports", f.path, f.dir)
			continue
		}
		for _, spec := range f.syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("%s: import %s: %v", f.path, spec.Path.Value, err)
			}
			if !mayImport(from, imported) {
				t.Errorf("%s imports %s: %s", f.path, imported, rooms[from].why)
			}
		}
	}
}

// roomOf returns the index of a folder's room, or -1.
func roomOf(dir string) int {
	found := -1
	for i, r := range rooms {
		if within(dir, r.name) && (found < 0 || len(r.name) > len(rooms[found].name)) {
			found = i
		}
	}
	return found
}

func mayImport(from int, imported string) bool {
	if !within(imported, modulePath) {
		return isStandard(imported) || !rooms[from].stdOnly
	}
	dir := path.Clean(strings.TrimPrefix(strings.TrimPrefix(imported, modulePath), "/"))
	to := roomOf(dir)
	return to == from || to >= 0 && slices.Contains(strings.Fields(rooms[from].may), rooms[to].name)
}

// isStandard uses what the go command promises: only the standard library has no dot in its first element.
func isStandard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

func TestDirectDependenciesAreFew(t *testing.T) {
	const limit = 5
	out, err := exec.Command("go", "mod", "edit", "-json", "go.mod").Output()
	if err != nil {
		t.Fatalf("go mod edit -json: %v", err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	var direct []string
	for _, r := range mod.Require {
		if !r.Indirect {
			direct = append(direct, r.Path)
		}
	}
	if len(direct) > limit {
		t.Errorf("go.mod requires %d modules directly, want at most %d: users inherit each of them: %s",
			len(direct), limit, strings.Join(direct, ", "))
	}
}

// --- Rule: a room stays small enough to read ------------------------------------------------------------

// budgets are non-blank lines outside tests, for a folder and everything below it.
// A folder with a row of its own counts there and nowhere else; the root is one folder.
var budgets = []struct {
	folder string
	lines  int // 0: counted apart, without a limit
}{
	{".", 5650},
	{"websocket", 8800},
	{"forwarded", 250},
	{"wire", 450},
	{"wire/wiretest", 0},
	{"internal/transport", 2200},
	{"signalr", 5200},
	{"signalr/classic", 3700},
	{"socketio", 7500},
	{"socketio/webtransport", 800},
	{"socketio/internal/protocol1", 1300},
	{"plain", 950},
	{"backplane", 500},
	{"backplane/backplanetest", 0},
	{"cmd", 2100},
}

func TestBudgets(t *testing.T) {
	used := make(map[string]int)
	for _, f := range tree(t).files {
		if f.test {
			continue
		}
		longest := ""
		for _, b := range budgets {
			if within(f.dir, b.folder) {
				longest = max(longest, b.folder) // of two prefixes, the longer is the greater
			}
		}
		used[longest] += nonBlankLines(f.source)
	}
	for _, b := range budgets {
		if b.lines > 0 && used[b.folder] > b.lines {
			t.Errorf("%s has %d non-blank lines, want at most %d: make it simpler before it grows", b.folder, used[b.folder], b.lines)
		}
	}
}

func TestFilesHaveOneSubject(t *testing.T) {
	const limit = 700
	for _, f := range tree(t).files {
		if lines := bytes.Count(f.source, []byte("\n")); !f.test && lines > limit {
			t.Errorf("%s has %d lines, want at most %d: a file this long has two subjects", f.path, lines, limit)
		}
	}
}

// tableMark in a function's doc comment says that the function is a flat table of cases and may be long.
const tableMark = "//house:table"

func TestFunctionsTellOneStep(t *testing.T) {
	const median, ninetieth, longest = 10, 35, 100
	lengths := make(map[string][]int) // by module
	for _, f := range tree(t).files {
		if f.test {
			continue
		}
		for _, decl := range f.syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			n := f.line(fn.Body.Rbrace) - f.line(fn.Body.Lbrace) - 1
			n = max(n, min(1, len(fn.Body.List))) // func f() int { return 1 } is one line
			lengths[f.module] = append(lengths[f.module], n)
			if n > longest && !isTable(fn) {
				t.Errorf("%s: %s has %d lines, want at most %d, or %s before a flat table of cases",
					f.at(fn), fn.Name.Name, n, longest, tableMark)
			}
		}
	}
	for module, all := range lengths {
		slices.Sort(all)
		if got := all[len(all)/2]; got > median {
			t.Errorf("module %s: the median function has %d lines, want at most %d: tell one step per function", module, got, median)
		}
		if got := all[len(all)*9/10]; got > ninetieth {
			t.Errorf("module %s: one function in ten has %d lines or more, want at most %d: split the longest", module, got, ninetieth)
		}
	}
}

func isTable(fn *ast.FuncDecl) bool {
	return fn.Doc != nil && slices.ContainsFunc(fn.Doc.List, func(c *ast.Comment) bool { return c.Text == tableMark })
}

// --- Rule: what is exported is documented ---------------------------------------------------------------

func TestPackagesAreDocumented(t *testing.T) {
	type pkg struct{ dir, name string }
	documented := make(map[pkg]bool)
	for _, f := range tree(t).files {
		if f.test {
			continue
		}
		name := f.syntax.Name.Name
		doc := f.syntax.Doc.Text()
		says := strings.HasPrefix(doc, "Package "+name+" ") || name == "main" && strings.HasPrefix(doc, "Command ")
		p := pkg{f.dir, name}
		documented[p] = documented[p] || says
	}
	for p, ok := range documented {
		if !ok {
			t.Errorf("%s: package %s has no comment beginning %q (or, for a program, %q)", p.dir, p.name, "Package "+p.name, "Command …")
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, f := range tree(t).files {
		if f.test || slices.Contains(strings.Split(f.dir, "/"), "internal") {
			continue
		}
		for _, name := range undocumented(f.syntax) {
			t.Errorf("%s: %s is exported and has no comment", f.at(name), name.Name)
		}
	}
}

// undocumented returns a file's exported names without a comment: functions, methods of exported types,
// types, constants, variables, and the fields of Options, each of which says what zero means.
func undocumented(file *ast.File) []*ast.Ident {
	var names []*ast.Ident
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && isExportedFunc(d) {
				names = append(names, d.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				names = append(names, undocumentedSpec(spec, d.Doc != nil)...)
			}
		}
	}
	return names
}

func isExportedFunc(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return fn.Name.IsExported()
	}
	receiver := fn.Recv.List[0].Type
	for {
		switch r := receiver.(type) {
		case *ast.StarExpr:
			receiver = r.X
		case *ast.IndexExpr: // Event[T]
			receiver = r.X
		case *ast.IndexListExpr: // Method[In, Out]
			receiver = r.X
		case *ast.Ident:
			return r.IsExported() && fn.Name.IsExported()
		default:
			return false
		}
	}
}

func undocumentedSpec(spec ast.Spec, groupDoc bool) []*ast.Ident {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return nil
		}
		var names []*ast.Ident
		if !groupDoc && s.Doc == nil && s.Comment == nil {
			names = append(names, s.Name)
		}
		if st, ok := s.Type.(*ast.StructType); ok && strings.HasSuffix(s.Name.Name, "Options") {
			names = append(names, undocumentedFields(st)...)
		}
		return names
	case *ast.ValueSpec:
		if !groupDoc && s.Doc == nil && s.Comment == nil {
			return exported(s.Names)
		}
	}
	return nil
}

func undocumentedFields(st *ast.StructType) []*ast.Ident {
	var names []*ast.Ident
	for _, field := range st.Fields.List {
		if field.Doc == nil && field.Comment == nil {
			names = append(names, exported(field.Names)...)
		}
	}
	return names
}

func exported(names []*ast.Ident) []*ast.Ident {
	return slices.DeleteFunc(slices.Clone(names), func(n *ast.Ident) bool { return !n.IsExported() })
}

// --- Rule: manners --------------------------------------------------------------------------------------

func TestFormatted(t *testing.T) {
	for _, f := range tree(t).files {
		want, err := format.Source(f.source)
		if err != nil {
			t.Errorf("%s: %v", f.path, err)
			continue
		}
		if !bytes.Equal(f.source, want) {
			t.Errorf("%s is not as gofmt writes it; run make fmt", f.path)
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, f := range tree(t).files {
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init runs behind the reader's back; call a function where it is needed", f.at(fn))
			}
		}
	}
}

// TestTestsDoNotSleep wants every test that sleeps to open a synctest bubble itself, by synctest.Test or by a
// helper of its folder. A helper that sleeps is allowed where its folder has bubbles.
func TestTestsDoNotSleep(t *testing.T) {
	openers := make(map[string]map[string]bool) // by folder: the functions that open a bubble
	eachTestFunc(t, func(f *goFile, fn *ast.FuncDecl) {
		if openers[f.dir] == nil {
			openers[f.dir] = make(map[string]bool)
		}
		if isIn(fn, f.uses("testing/synctest", "Test")) {
			openers[f.dir][fn.Name.Name] = true
		}
	})
	eachTestFunc(t, func(f *goFile, fn *ast.FuncDecl) {
		bubbles := len(openers[f.dir]) > 0
		if isTestName(fn.Name.Name) {
			bubbles = callsAny(fn, openers[f.dir]) || openers[f.dir][fn.Name.Name]
		}
		for _, use := range f.uses("time", "Sleep") {
			if !bubbles && isIn(fn, []ast.Node{use}) {
				t.Errorf("%s: time.Sleep guesses how long something takes; wait for it, or run inside synctest.Test", f.at(use))
			}
		}
	})
}

func eachTestFunc(t *testing.T, visit func(f *goFile, fn *ast.FuncDecl)) {
	for _, f := range tree(t).files {
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && f.test {
				visit(f, fn)
			}
		}
	}
}

func isTestName(name string) bool {
	return strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") || strings.HasPrefix(name, "Benchmark")
}

// isIn tells whether one of nodes lies in fn.
func isIn(fn *ast.FuncDecl, nodes []ast.Node) bool {
	return slices.ContainsFunc(nodes, func(n ast.Node) bool { return fn.Pos() <= n.Pos() && n.End() <= fn.End() })
}

// callsAny tells whether fn calls a function of one of the names.
func callsAny(fn *ast.FuncDecl, names map[string]bool) (found bool) {
	ast.Inspect(fn, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		id, ok := call.Fun.(*ast.Ident)
		found = found || ok && names[id.Name]
		return true
	})
	return found
}

// unfinished is written in brackets so as not to find itself.
var unfinished = regexp.MustCompile(`\b(TO[D]O|FIX[M]E|X[X]X)\b`)

func TestNothingIsLeftUnfinished(t *testing.T) {
	for _, f := range tree(t).files {
		for _, group := range f.syntax.Comments {
			for _, comment := range group.List {
				if word := unfinished.FindString(comment.Text); word != "" {
					t.Errorf("%s: %s: finish it, or write it down in docs/rough-edges.md", f.at(comment), word)
				}
			}
		}
	}
}

// --- Rule: ARCHITECTURE.md tells the truth --------------------------------------------------------------

var (
	fenced     = regexp.MustCompile("(?ms)^```.*?^```")
	backticked = regexp.MustCompile("`([^`\n]+)`")
	mediaType  = regexp.MustCompile(`^(application|audio|image|multipart|text|video)/[a-z0-9.+-]+$`)
)

func TestArchitectureNamesWhatExists(t *testing.T) {
	const page = "ARCHITECTURE.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatalf("%s shows a newcomer the way: %v", page, err)
	}
	std := standardPackages(t)
	checked := 0
	for _, match := range backticked.FindAllStringSubmatch(fenced.ReplaceAllString(string(text), ""), -1) {
		name, ok := treePath(match[1], std)
		if !ok {
			continue
		}
		checked++
		if _, err := os.Stat(filepath.FromSlash(name)); err != nil {
			t.Errorf("%s names `%s`, which does not exist (paths begin at the root of the tree)", page, match[1])
		}
	}
	if checked == 0 {
		t.Errorf("%s names no file of the tree in backticks", page)
	}
}

// treePath reports whether a word in backticks means a file or folder of this tree, and which.
func treePath(word string, std map[string]bool) (string, bool) {
	if own, ok := strings.CutPrefix(word, modulePath+"/"); ok {
		return own, true
	}
	switch {
	case !strings.Contains(word, "/") && !strings.HasSuffix(word, ".go") && !strings.HasSuffix(word, ".md"),
		strings.ContainsAny(word, " *@"), strings.HasPrefix(word, "/"), strings.Contains(word, "://"),
		std[word], mediaType.MatchString(word):
		return "", false
	}
	// A first element with a dot inside is a host, so the word is another module's import path.
	first, _, nested := strings.Cut(word, "/")
	if nested && strings.Contains(strings.TrimLeft(first, "."), ".") {
		return "", false
	}
	return word, true
}

func standardPackages(t *testing.T) map[string]bool {
	t.Helper()
	out, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		t.Fatalf("go list std: %v", err)
	}
	std := make(map[string]bool)
	for _, name := range strings.Fields(string(out)) {
		std[name] = true
	}
	return std
}

// --- The tree, read once --------------------------------------------------------------------------------

type goFile struct {
	path, dir string // slash-separated, from the root of the tree; the root itself is "."
	module    string // folder of the go.mod it belongs to
	test      bool
	source    []byte
	set       *token.FileSet
	syntax    *ast.File
}

func (f *goFile) line(pos token.Pos) int { return f.set.Position(pos).Line }

func (f *goFile) at(n ast.Node) string { return f.path + ":" + strconv.Itoa(f.line(n.Pos())) }

// uses returns the places that name an imported package's function.
func (f *goFile) uses(imported, function string) []ast.Node {
	local := path.Base(imported)
	for _, spec := range f.syntax.Imports {
		if spec.Path.Value == strconv.Quote(imported) && spec.Name != nil {
			local = spec.Name.Name
		}
	}
	var found []ast.Node
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok || selector.Sel.Name != function {
			return true
		}
		if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Name == local {
			found = append(found, n)
		}
		return true
	})
	return found
}

type source struct {
	files []*goFile
	err   error
}

func tree(t *testing.T) source {
	t.Helper()
	s := readTree()
	if s.err != nil {
		t.Fatalf("reading the tree: %v", s.err)
	}
	return s
}

var readTree = sync.OnceValue(func() source {
	var s source
	var modules []string
	s.err = filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		slash := filepath.ToSlash(name)
		switch {
		case err != nil && errors.Is(err, fs.ErrNotExist): // another program removed it meanwhile
			return nil
		case err != nil:
			return err
		case entry.IsDir():
			return skipForeign(slash, entry.Name())
		case entry.Name() == "go.mod":
			modules = append(modules, path.Dir(slash))
		case strings.HasSuffix(slash, ".go"):
			file, err := readFile(slash)
			if err != nil {
				return err
			}
			s.files = append(s.files, file)
		}
		return nil
	})
	slices.SortFunc(modules, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, f := range s.files {
		f.module = modules[slices.IndexFunc(modules, func(m string) bool { return m == "." || within(f.dir, m) })]
	}
	return s
})

// skipForeign passes over folders the go command does not build either, and over what npm installed.
func skipForeign(slash, base string) error {
	if slash == "." {
		return nil
	}
	if base == "node_modules" || base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return filepath.SkipDir
	}
	return nil
}

func readFile(slash string) (*goFile, error) {
	text, err := os.ReadFile(filepath.FromSlash(slash))
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, slash, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &goFile{
		path: slash, dir: path.Dir(slash), test: strings.HasSuffix(slash, "_test.go"),
		source: text, set: set, syntax: syntax,
	}, nil
}

// within reports whether a slash-separated path is a folder or lies below it. Nothing lies below ".".
func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder+"/")
}

func nonBlankLines(source []byte) int {
	n := 0
	for line := range bytes.Lines(source) {
		if len(bytes.TrimSpace(line)) > 0 {
			n++
		}
	}
	return n
}
