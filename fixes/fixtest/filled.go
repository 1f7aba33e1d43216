package fixtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform/words"
)

// Unfilled returns the places in the code of a fix where words get other parameters than they have, as "FILE:LINE: WHY".
// Only what is filled in where it is written can be seen: words that are passed on are held by the tests of findings.
func Unfilled(dir string) ([]string, error) {
	set := token.NewFileSet()
	tables := map[string]map[string]words.Template{} // folder → name → words
	var files []*ast.File
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "staged"):
			return fs.SkipDir
		case d.IsDir(), filepath.Ext(name) != ".go", strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, file)
		in := filepath.Dir(name)
		if tables[in] == nil {
			tables[in] = map[string]words.Template{}
		}
		for _, decl := range file.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.CONST {
				for _, spec := range g.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && len(v.Values) == 1 && v.Type != nil {
						tables[in][v.Names[0].Name] = words.Template(literally(v.Values[0]))
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var wrong []string
	for _, file := range files {
		table := tables[filepath.Dir(set.Position(file.Pos()).Filename)]
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			fill, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || fill.Sel.Name != "Fill" {
				return true
			}
			name, ok := fill.X.(*ast.Ident)
			with, given := call.Args[0].(*ast.CompositeLit)
			if !ok || !given || table[name.Name] == "" {
				return true
			}
			var has []string
			for _, e := range with.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					has = append(has, literally(kv.Key))
				}
			}
			wants := table[name.Name].Parameters()
			slices.Sort(has)
			slices.Sort(wants)
			if wants = slices.Compact(wants); !slices.Equal(has, wants) {
				wrong = append(wrong, fmt.Sprintf("%s: %s has the parameters %q, and gets %q", set.Position(call.Pos()), name.Name, wants, has))
			}
			return true
		})
	}
	return wrong, nil
}

// literally is the text of an expression, as far as it is written there.
func literally(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err == nil {
			return text
		}
	case *ast.BinaryExpr:
		return literally(e.X) + literally(e.Y)
	}
	return ""
}
