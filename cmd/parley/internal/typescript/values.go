package typescript

import (
	"fmt"
	"go/types"
	"slices"

	"golang.org/x/tools/go/packages"
)

// valuesOf lists the constants of an enumeration of strings, in their order.
func (p *Package) valuesOf(t *types.Named) []*types.Const {
	if !isString(t) {
		return nil
	}
	scope := t.Obj().Pkg().Scope()
	if whole := p.sources[t.Obj().Pkg().Path()]; whole != nil {
		scope = whole
	}
	var values []*types.Const
	name := types.TypeString(t, nil) // a package that was loaded twice has two types of it
	for _, n := range scope.Names() {
		if c, ok := scope.Lookup(n).(*types.Const); ok && types.TypeString(c.Type(), nil) == name {
			values = append(values, c)
		}
	}
	slices.SortFunc(values, func(a, b *types.Const) int { return p.order(a.Pos(), b.Pos()) })
	return values
}

// loadSources reads other packages that have enumerations by their source: of
// those that were compiled before, constants are missing that are not exported.
func (p *Package) loadSources(config packages.Config) error {
	var paths []string
	for _, d := range p.declared() {
		pkg := d.named.Obj().Pkg()
		if isString(d.named) && pkg != p.types && !slices.Contains(paths, pkg.Path()) {
			paths = append(paths, pkg.Path())
		}
	}
	if len(paths) == 0 {
		return nil
	}
	found, err := packages.Load(&config, paths...)
	if err != nil {
		return fmt.Errorf("load %v: %w", paths, err)
	}
	p.sources = make(map[string]*types.Scope)
	for _, f := range found {
		p.sources[f.PkgPath] = f.Types.Scope()
	}
	return broken(found)
}

// declared are the declared types that travel.
func (p *Package) declared() []*decl {
	w := &printer{pkg: p, families: []*family{{}}, decls: make(map[string]*decl), told: make(map[string]bool)}
	w.find()
	return w.order
}
