package fixes_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// large are types with more methods than that, and how many they had when this was written: they may lose some, and not
// get more. Each says why it is one.
var large = map[string]int{
	// It implements View and Host. Their breadth is the seam: all that lixfix asks of a host and does to it goes through
	// them, and is recorded and replayed there.
	"platform.Machine": 70,
}

// TestRooms: no file and no set of methods is so large that nobody reads it.
func TestRooms(t *testing.T) {
	const mostLines, mostMethods = 600, 25
	methods := map[string]int{}
	files := 0
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains([]string{".git", "bin", "testdata", "staged"}, d.Name()) || strings.HasSuffix(d.Name(), "test")):
			return fs.SkipDir
		case d.IsDir(), filepath.Ext(name) != ".go", strings.HasSuffix(name, "_test.go"):
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		files++
		if n := bytes.Count(data, []byte("\n")); n > mostLines {
			t.Errorf("%s has %d lines, %d at most: find the two things that it is about", name, n, mostLines)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, data, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel("..", filepath.Dir(name))
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv != nil {
				methods[dir+"."+receiver(f.Recv.List[0].Type)]++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Errorf("only %d files were seen", files)
	}
	for name, n := range methods {
		switch most, known := large[name]; {
		case known && n <= mostMethods:
			t.Errorf("%s has %d methods now: take it off the list", name, n)
		case known && n > most:
			t.Errorf("%s has %d methods, and had %d: make it fewer", name, n, most)
		case !known && n > mostMethods:
			t.Errorf("%s has %d methods, %d at most: make functions of what only reads it", name, n, mostMethods)
		}
	}
	for name := range large {
		if methods[name] == 0 {
			t.Errorf("there is no %s", name)
		}
	}
}

// receiver is the name of the type of a receiver.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
