package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"time"
)

// bom is a bill of materials in the JSON form of CycloneDX 1.5, as far as a static Go program needs one.
type bom struct {
	Schema     string      `json:"$schema"`
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
	Depends    []depends   `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type    string    `json:"type"`
	Ref     string    `json:"bom-ref"`
	Name    string    `json:"name"`
	Version string    `json:"version"`
	PURL    string    `json:"purl"`
	License []license `json:"licenses,omitempty"`
}

type license struct {
	License struct {
		ID string `json:"id"`
	} `json:"license"`
}

type depends struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn,omitempty"`
}

// billOfMaterials lists what is linked into a program, as "go version -m" reads it from the program itself.
func billOfMaterials(program, version string, at time.Time) ([]byte, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("read the modules of %s: %w", program, err)
	}
	entry := func(kind, path, version string) component {
		purl := "pkg:golang/" + path + "@" + version
		return component{Type: kind, Ref: purl, Name: path, Version: version, PURL: purl}
	}
	b := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.5.schema.json", Format: "CycloneDX", Spec: "1.5", Version: 1,
		Metadata: metadata{Timestamp: at.Format(time.RFC3339), Component: entry("application", info.Main.Path, "v"+version)},
	}
	mit := license{}
	mit.License.ID = "MIT"
	b.Metadata.Component.License = []license{mit}
	// The toolchain is in the program too: its standard library is where most advisories for Go programs are.
	b.Components = append(b.Components, entry("library", "stdlib", info.GoVersion))
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Components = append(b.Components, entry("library", m.Path, m.Version))
	}
	all := depends{Ref: b.Metadata.Component.Ref}
	for _, c := range b.Components {
		all.On = append(all.On, c.Ref)
	}
	b.Depends = []depends{all}
	data, err := json.MarshalIndent(b, "", "  ")
	return append(data, '\n'), err
}
