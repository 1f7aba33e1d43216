package platform

import (
	"io"
	"strings"
	"testing"
)

// TestBoundedKeepsItsLimit copies as os/exec does, which prefers a ReadFrom to Write.
func TestBoundedKeepsItsLimit(t *testing.T) {
	tests := []struct {
		name string
		size int
		over bool
	}{{"empty", 0, false}, {"below", 9, false}, {"exactly", 10, false}, {"one more", 11, true}, {"far more", 1 << 20, true}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &bounded{limit: 10}
			n, err := io.Copy(b, strings.NewReader(strings.Repeat("x", tt.size)))
			if err != nil || int(n) != tt.size || b.kept.Len() != min(tt.size, 10) || b.over != tt.over {
				t.Errorf("%d copied, %d kept, over %v, %v", n, b.kept.Len(), b.over, err)
			}
		})
	}
}
