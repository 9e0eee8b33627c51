package typescript

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
)

// docs finds the comments of what is declared, in whatever package. Packages
// that were compiled before have no syntax, but tell where things stand.
type docs struct {
	fset  *token.FileSet
	files map[string]map[place]string // by file
}

// place is where a name is declared in a file. Compiled packages are not
// exact about columns.
type place struct {
	line int
	name string
}

func newDocs(fset *token.FileSet) *docs {
	return &docs{fset: fset, files: make(map[string]map[place]string)}
}

// of is the comment of an object; empty when there is none, or its source is
// not at hand.
func (d *docs) of(o types.Object) string {
	at := d.fset.Position(o.Pos())
	places, read := d.files[at.Filename]
	if !read {
		places = readPlaces(at.Filename)
		d.files[at.Filename] = places
	}
	return places[place{at.Line, o.Name()}]
}

func readPlaces(filename string) map[place]string {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, filename, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil
	}
	places := make(map[place]string)
	note := func(names []*ast.Ident, comments ...*ast.CommentGroup) {
		for _, name := range names {
			places[place{fset.Position(name.Pos()).Line, name.Name}] = first(comments)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			if len(n.Specs) == 1 { // the comment of the declaration is that of what it declares
				noteAlone(note, n)
			}
		case *ast.TypeSpec:
			if n.Doc != nil || n.Comment != nil {
				note([]*ast.Ident{n.Name}, n.Doc, n.Comment)
			}
		case *ast.ValueSpec:
			if n.Doc != nil || n.Comment != nil {
				note(n.Names, n.Doc, n.Comment)
			}
		case *ast.Field:
			note(n.Names, n.Doc, n.Comment)
		}
		return true
	})
	return places
}

func noteAlone(note func([]*ast.Ident, ...*ast.CommentGroup), d *ast.GenDecl) {
	switch s := d.Specs[0].(type) {
	case *ast.TypeSpec:
		note([]*ast.Ident{s.Name}, d.Doc)
	case *ast.ValueSpec:
		note(s.Names, d.Doc)
	}
}

// first is the text of the first comment that there is.
func first(comments []*ast.CommentGroup) string {
	for _, c := range comments {
		if text := strings.TrimSpace(c.Text()); text != "" {
			return text
		}
	}
	return ""
}
