package platform

import (
	"context"
	"strings"

	"github.com/lixfix/lixfix/platform/plistfile"
)

// factsFrom is "sw_vers" in the black-box build of the Makefile and empty in every other: only the linker can set it.
// It makes a Linux binary take the facts from what sw_vers prints, as on macOS.
var factsFrom string

// SystemVersion is the file that sw_vers(1) prints. The kernel gives programs that were linked for macOS 10.15 or
// earlier, and those with SYSTEM_VERSION_COMPAT=1 in their environment, another one in its place, which says 10.16.
const SystemVersion = "/System/Library/CoreServices/SystemVersion.plist"

// SwVers reads the facts of a Mac, starting from the given ones: from SystemVersion or, if that is of no use, from
// sw_vers. If both fail, the version stays empty.
func (m *Machine) SwVers(ctx context.Context, f Facts) Facts {
	var file struct{ ProductName, ProductVersion, ProductBuildVersion string }
	data, err := ReadSmall(ctx, m, SystemVersion)
	if err == nil {
		err = plistfile.Decode(data, &file)
	}
	f.Product, f.Version, f.Build = file.ProductName, file.ProductVersion, file.ProductBuildVersion
	if err != nil || f.Product == "" || f.Version == "" || f.Version == "10.16" {
		f = askSwVers(ctx, m, f)
	}
	if f.Product == "macOS" || f.Product == "Mac OS X" {
		f.OS = Darwin
	}
	return f
}

// askSwVers takes what sw_vers prints, with an environment that misleads nobody.
func askSwVers(ctx context.Context, v View, f Facts) Facts {
	f.Product, f.Version, f.Build = "", "", ""
	out, err := v.Query(ctx, "/usr/bin/sw_vers")
	if err != nil {
		return f
	}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); key {
		case "ProductName":
			f.Product = value
		case "ProductVersion":
			f.Version = value
		case "BuildVersion":
			f.Build = value
		}
	}
	return f
}

// osRelease takes the names from os-release(5).
func osRelease(f *Facts, data []byte) {
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = strings.Trim(value, `"'`); key {
		case "PRETTY_NAME":
			f.Product = value
		case "VERSION_ID":
			f.Version = value
		}
	}
}
