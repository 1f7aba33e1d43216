//go:build linux && !race

package staged_test

const raceEnabled = false
