// Package typescript prints the TypeScript declarations of a package of
// contracts: the constants of types such as parley.Command and parley.Event,
// and whatever travels with them, as SignalR and Socket.IO pages see it.
package typescript

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// root is the package whose types make contracts.
const root = "github.com/parley-go/parley"

// Package is a package of contracts, loaded.
type Package struct {
	path, name string
	types      *types.Package
	fset       *token.FileSet
	docs       *docs
	contracts  []contract
	sources    map[string]*types.Scope // of other packages, by path; see loadSources
}

// contract is one constant of it.
type contract struct {
	kind  string // "Command", …
	con   string // the constant
	name  string // on the wire
	doc   string
	pos   token.Pos
	types []types.Type // its arguments: In, Out and so on
}

// Load reads the package that pattern names: an import path, seen from the
// folder dir, or a folder. The error tells where it does not compile, or that it
// has no contracts.
func Load(ctx context.Context, dir, pattern string) (*Package, error) {
	config := &packages.Config{
		Context: ctx, Dir: dir, Fset: token.NewFileSet(),
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo,
	}
	if folder := filepath.Join(dir, pattern); filepath.IsAbs(pattern) && isFolder(pattern) {
		config.Dir, pattern = pattern, "."
	} else if isFolder(folder) {
		config.Dir, pattern = folder, "."
	}
	found, err := packages.Load(config, pattern)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", pattern, err)
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%s means %d packages, and one is wanted", pattern, len(found))
	}
	if err := broken(found); err != nil {
		return nil, err
	}
	p := &Package{path: found[0].PkgPath, name: found[0].Name, types: found[0].Types, fset: config.Fset, docs: newDocs(config.Fset)}
	if err := p.collect(); err != nil {
		return nil, err
	}
	return p, p.loadSources(*config)
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// broken lists what does not compile, each thing once.
func broken(found []*packages.Package) error {
	const most = 10
	var all []error
	told := make(map[string]bool)
	packages.Visit(found, nil, func(p *packages.Package) {
		for _, e := range p.Errors {
			if strings.HasPrefix(e.Msg, "# ") && len(p.Errors) > 1 { // the compiler's own words for what the others say
				continue
			}
			text := e.Msg
			if e.Pos != "" && e.Pos != "-" {
				text = near(e.Pos) + ": " + text
			}
			if !told[text] && len(all) < most {
				told[text] = true
				all = append(all, errors.New(text))
			}
		}
	})
	return errors.Join(all...)
}

// near is a position from the working folder, where that is shorter.
func near(position string) string {
	here, err := os.Getwd()
	if err != nil {
		return position
	}
	if short, err := filepath.Rel(here, position); err == nil && len(short) < len(position) {
		return short
	}
	return position
}

// at is where something stands, for messages.
func (p *Package) at(pos token.Pos) string {
	position := p.fset.Position(pos)
	return fmt.Sprintf("%s:%d", near(position.Filename), position.Line)
}

// collect finds the contracts, in the order of the source.
func (p *Package) collect() error {
	scope := p.types.Scope()
	hidden := 0
	for _, name := range scope.Names() {
		con, ok := scope.Lookup(name).(*types.Const)
		if !ok {
			continue
		}
		c, ok := contractOf(con)
		switch {
		case !ok:
		case !con.Exported():
			hidden++
		default:
			c.doc = p.docs.of(con)
			p.contracts = append(p.contracts, c)
		}
	}
	slices.SortFunc(p.contracts, func(a, b contract) int { return p.order(a.pos, b.pos) })
	switch {
	case len(p.contracts) > 0:
		return p.unique()
	case hidden > 0:
		return fmt.Errorf("the contracts of %s are not exported: their names begin with small letters", p.path)
	}
	return fmt.Errorf("%s has no contracts, which are constants such as: const Say parley.Command[string] = \"say\"", p.path)
}

// order compares places in the source.
func (p *Package) order(a, b token.Pos) int {
	x, y := p.fset.Position(a), p.fset.Position(b)
	return cmp.Or(strings.Compare(x.Filename, y.Filename), cmp.Compare(x.Offset, y.Offset))
}

// contractOf tells whether a constant names a message.
func contractOf(con *types.Const) (contract, bool) {
	named, ok := types.Unalias(con.Type()).(*types.Named)
	if !ok || named.Obj().Pkg() == nil || named.Obj().Pkg().Path() != root {
		return contract{}, false
	}
	kind := named.Obj().Name()
	if !slices.Contains([]string{"Command", "Method", "Stream", "Upload", "Event", "Ask"}, kind) {
		return contract{}, false
	}
	c := contract{kind: kind, con: con.Name(), name: constant.StringVal(con.Val()), pos: con.Pos()}
	for i := range named.TypeArgs().Len() {
		c.types = append(c.types, named.TypeArgs().At(i))
	}
	return c, true
}

// toClient tells whether it is the hub that calls.
func (c *contract) toClient() bool { return c.kind == "Event" || c.kind == "Ask" }

// unique refuses two contracts of one name that the same side answers: only
// one of them can be.
func (p *Package) unique() error {
	var all []error
	for i, c := range p.contracts {
		for _, other := range p.contracts[:i] {
			if other.name == c.name && other.toClient() == c.toClient() {
				all = append(all, fmt.Errorf("%s: %s has the name %q, as has %s (%s)", p.at(c.pos), c.con, c.name, other.con, p.at(other.pos)))
			}
		}
	}
	return errors.Join(all...)
}
