package fixtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Sentences returns the sentences in the code of a fix, as "FILE:LINE: TEXT": what users read stands in tables, so that
// it can be read, changed and translated in one place, and nobody is tempted to decide on it. Tables are the files named
// kinds*.go and words*.go, and what is a Doc or an Option. Not for users are the reasons of errors, what is looked for in
// texts of the host, what a record calls a question, and the language of Graphviz.
func Sentences(dir string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		base := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && (base == "testdata" || base == "staged" || base == "kinds" || strings.HasSuffix(base, "test") && name != dir):
			return fs.SkipDir
		case d.IsDir(), filepath.Ext(base) != ".go", strings.HasSuffix(base, "_test.go"),
			strings.HasPrefix(base, "kinds"), strings.HasPrefix(base, "words"):
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, lit := range sentences(file) {
			found = append(found, fmt.Sprintf("%s: %s", set.Position(lit.Pos()), lit.Value))
		}
		return nil
	})
	return found, err
}

// sentences are the literals of a file that people may read, and that are in no table.
func sentences(file *ast.File) []*ast.BasicLit {
	var found []*ast.BasicLit
	var above []ast.Node
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil {
			above = above[:len(above)-1]
			return true
		}
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && sentence(lit) && !excused(lit, above) {
			found = append(found, lit)
		}
		above = append(above, n)
		return true
	})
	return found
}

var (
	verbs  = regexp.MustCompile(`%[-+#0 ]*[0-9]*(\.[0-9]+)?[a-zA-Z]`)
	spaced = regexp.MustCompile(`[A-Za-z].* | .*[A-Za-z]`)
)

// sentence reports whether a text has words and blanks; "%s, %d" has none.
func sentence(lit *ast.BasicLit) bool {
	text, err := strconv.Unquote(lit.Value)
	return err != nil || spaced.MatchString(verbs.ReplaceAllString(text, ""))
}

// excused reports whether what stands around a literal says that it is none for users, or that it is in a table.
func excused(lit *ast.BasicLit, above []ast.Node) bool {
	for _, n := range above {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return true
		case *ast.Field: // the tag of one
			if n.Tag == lit {
				return true
			}
		case *ast.FuncDecl:
			if strings.EqualFold(n.Name.Name, "dot") {
				return true
			}
		case *ast.BinaryExpr:
			if n.Op == token.EQL || n.Op == token.NEQ {
				return true
			}
		case *ast.CaseClause:
			for _, e := range n.List {
				if e.Pos() <= lit.Pos() && lit.End() <= e.End() {
					return true
				}
			}
		case *ast.CompositeLit:
			t := n.Type
			if list, ok := t.(*ast.ArrayType); ok {
				t = list.Elt
			}
			if s, ok := t.(*ast.SelectorExpr); ok && (s.Sel.Name == "Doc" || s.Sel.Name == "Option") {
				return true
			}
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && excuses(s) {
				return true
			}
		}
	}
	return false
}

// excuses reports whether the arguments of a function are for nobody to read.
func excuses(called *ast.SelectorExpr) bool {
	name := called.Sel.Name
	pkg, _ := called.X.(*ast.Ident)
	switch {
	case name == "Burst", name == "Pause": // names of questions, in records
		return true
	case pkg == nil:
		return name == "Format" // of a time
	case pkg.Name == "strings", pkg.Name == "bytes":
		return name != "Join"
	}
	return pkg.Name == "fmt" && name == "Errorf" || pkg.Name == "errors" && name == "New" || pkg.Name == "pattern" && name == "New"
}
