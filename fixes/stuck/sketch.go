package stuck

import (
	_ "embed"
	"encoding/json"
	"sync"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
)

// sketches are trees that real hosts have been drawn with, by the finding that they end in. The test that plays these
// hosts back writes them.
//
//go:embed sketches.json
var sketches []byte

var sketched = sync.OnceValue(func() map[string]figure.Figure {
	var all map[string]figure.Figure
	_ = json.Unmarshal(sketches, &all) // a test holds that it can be read
	return all
})

var _ fix.Sketcher = stuck{}

// Sketch implements fix.Sketcher. Hosts with some of the findings have not been captured.
func (stuck) Sketch(k *fix.Kind) (figure.Figure, string) {
	f, ok := sketched()[k.ID]
	if !ok {
		return figure.Figure{}, ""
	}
	return f, sketchOf
}
