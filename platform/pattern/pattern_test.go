package pattern

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestAllAreSound compiles every expression of the module: one that is not sound would only show when it is needed.
func TestAllAreSound(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasPrefix(filepath.Base(name), "pattern") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			s, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "New" {
				return true
			}
			if in, ok := s.X.(*ast.Ident); !ok || in.Name != "pattern" {
				return true
			}
			found++
			if _, err := regexp.Compile(text(call.Args[0])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			return true
		})
		return nil
	})
	if err != nil || found < 100 {
		t.Errorf("%d expressions, %v", found, err)
	}
}

// text is a string of the source; what another name stands for is a letter.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value)
		return s
	case *ast.BinaryExpr:
		return text(e.X) + text(e.Y)
	}
	return "x"
}

func TestPattern(t *testing.T) {
	p := New(`(a+)(b)?`)
	if got := p.FindStringSubmatch("caab"); len(got) != 3 || got[1] != "aa" || p.String() != `(a+)(b)?` {
		t.Errorf("%q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("an expression that is not sound was compiled")
		}
	}()
	New(`(`).MatchString("")
}
