package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
)

// TestDrawings: every drawing is well-formed, says in words all that it shows, marks one row where something is wrong, and
// keeps within a phone.
func TestDrawings(t *testing.T) {
	drawn := 0
	for _, f := range fixes.All() {
		artist, ok := f.(fix.Sketcher)
		if !ok {
			continue
		}
		for _, k := range f.Kinds() {
			picture, says := artist.Sketch(k)
			svg := string(drawing(picture, k.Title, says))
			if svg == "" {
				continue
			}
			drawn++
			text, desc, marked, heights := read(t, k.ID, svg)
			for _, r := range picture.Rows {
				for _, cell := range r.Cells {
					cell = strings.Join(strings.Fields(cell), " ")
					if !strings.Contains(desc, cell) || !strings.Contains(strings.ReplaceAll(text, " ", ""), strings.ReplaceAll(cell, " ", "")) {
						t.Errorf("%s: %q is not drawn, or not said:\n%s\n%s", k.ID, cell, text, desc)
					}
				}
			}
			want := 0
			for _, r := range picture.Rows {
				if r.Mark == figure.Bad || r.Mark == figure.Root || r.Mark == figure.Risk {
					want++
				}
			}
			if marked != want || want > 1 {
				t.Errorf("%s: %d rows are marked, want %d", k.ID, marked, want)
			}
			for i := 1; i < len(heights); i++ {
				if heights[i] <= heights[i-1] {
					t.Errorf("%s: boxes lie on one another: %v", k.ID, heights)
				}
			}
		}
	}
	if drawn < 50 {
		t.Errorf("only %d findings are drawn", drawn)
	}
	if svg := string(drawing(figure.Figure{Rows: []figure.Row{{Mark: figure.Bad, Cells: []string{"<script>", "a & b"}}}}, `"<x>"`, "<y>")); strings.Contains(svg, "<script>") || strings.Contains(svg, "<x>") || strings.Contains(svg, "<y>") {
		t.Error(svg)
	}
}

// read takes a drawing apart: its text, its description, how many rows are marked, and where boxes begin.
func read(t *testing.T, id, svg string) (text, desc string, marked int, tops []int) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	in := ""
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return text, desc, marked, tops
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", id, err, svg)
		}
		switch e := token.(type) {
		case xml.StartElement:
			in = e.Name.Local
			at := map[string]string{}
			for _, a := range e.Attr {
				at[a.Name.Local] = a.Value
			}
			number := func(name string) int { n, _ := strconv.Atoi(at[name]); return n }
			switch {
			case in == "g" && (at["class"] == "bad" || at["class"] == "risk"):
				marked++
			case in == "rect":
				tops = append(tops, number("y"))
				if number("x")+number("width") > svgWide || number("width") < 100 {
					t.Errorf("%s: a box from %s, %s wide", id, at["x"], at["width"])
				}
			}
		case xml.EndElement:
			in = ""
		case xml.CharData:
			switch in {
			case "text":
				text += string(e) + " "
			case "desc":
				desc += string(e)
			}
		}
	}
}

func TestBroken(t *testing.T) {
	for text, want := range map[string]string{
		"a bc def": "a bc|def", "abcdefg h": "abcde|fg h", "": "", "äöü äöü": "äöü|äöü", "ab abcdefghijkl": "ab|abcde|fghij|kl",
	} {
		if got := strings.Join(broken(text, 5), "|"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
