package platform

import "testing"

func TestSpace(t *testing.T) {
	const whole = "         0          0 4294967295\n"
	tests := []struct {
		name, uidMap string
		owner        int
		want         userSpace
	}{
		{"the host itself", whole, 0, userSpace{}},
		{"the host itself, whose root directory is nobody's", whole, 65534, userSpace{}},
		{"a user who calls themselves root", "0 1000 1\n", 65534, userSpace{sole: true, foreign: true}},
		{"a container of one user", "0 1000 1\n", 0, userSpace{sole: true}},
		{"a container of several", "0 1000 1\n1 100000 65536\n", 0, userSpace{}},
		{"a container with the host's files", "0 1000 1\n1 100000 1000\n", 65534, userSpace{foreign: true}},
		{"a container with the host's files and a nobody", "0 1000 1\n1 100000 65536\n", 65534, userSpace{}},
		{"whose root directory is a user's", "0 1000 1\n1 100000 1000\n", 1000, userSpace{}},
		{"nothing is said", "", 65534, userSpace{}},
		{"noise", "0 1000\n", 65534, userSpace{}},
	}
	for _, tt := range tests {
		if got := spaceOf(tt.uidMap, tt.owner); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
