package installation

import (
	"context"
	"encoding/json"

	"github.com/lixfix/lixfix/platform/receipt"
)

const receiptFile = receipt.File

// Installers, to follow "installed by".
const (
	LixInstaller = "the Lix installer"
	// NixInstaller is that of Determinate Systems, where it installs plain Nix, and its fork of the Nix project: their
	// receipts are alike.
	NixInstaller = "nix-installer"
	Determinates = "the installer of Determinate Systems"
	Script       = "the script installer of the Nix project"
	NixOS        = "NixOS"
)

// installer finds out who installed Nix. The receipt comes first: the only one that says so itself.
func installer(ctx context.Context, h host, packs *packages, f *Found) Fact[string] {
	if f.Manager.Value == NixOS {
		return fact(NixOS, f.Manager.From)
	}
	if i, ok := receipted(ctx, h); ok {
		return i
	}
	if len(f.Programs.Value) > 0 {
		if pack, ok := packs.of(ctx, f.Programs.Value[0].Path, f.Programs.Value[0].Real); ok {
			return fact("the "+pack.name, pack.from)
		}
	}
	// What the script moves away, and no other installer does under this name without a receipt.
	for _, rc := range []string{"/etc/bashrc", "/etc/bash.bashrc", "/etc/profile.d/nix.sh", "/etc/zshrc", "/etc/zsh/zshrc"} {
		if name := h.any(ctx, rc+".backup-before-nix"); name != "" {
			return fact(Script, name)
		}
	}
	if f.Mode.Known() && f.Mode.Value == SingleUser && f.Owner.Known() && f.Owner.Value.UID != 0 {
		return fact(Script, f.Owner.From+": only the script gives a store to a user")
	}
	return unknown[string]("nothing here says so: neither " + receiptFile + ", nor a package database, nor the files that the script installer moves away")
}

// receipted asks the receipt. Its shape changed often; few fields are looked at, and none of them has to be there.
func receipted(ctx context.Context, h host) (Fact[string], bool) {
	data, err := h.v.ReadFile(ctx, receiptFile)
	switch {
	case gone(err):
		return Fact[string]{}, false
	case err != nil:
		return Fact[string]{Unknown: err.Error(), Root: h.private(err)}, true
	}
	var r struct {
		Planner struct {
			Settings map[string]json.RawMessage `json:"settings"`
		} `json:"planner"`
		Actions json.RawMessage `json:"actions"`
	}
	if json.Unmarshal(data, &r) != nil || r.Actions == nil {
		return unknown[string](receiptFile + " is not a receipt that lixfix understands"), true
	}
	// Lix's installer alone asks whether to enable flakes; nix-darwin tells the two apart in the same way.
	_, lix := r.Planner.Settings["enable_flakes"]
	switch {
	case lix, h.any(ctx, "/nix/lix-installer") != "":
		return fact(LixInstaller, receiptFile), true
	case string(r.Planner.Settings["determinate_nix"]) == "true":
		return fact(Determinates, receiptFile), true
	case h.any(ctx, "/usr/local/bin/determinate-nixd") != "":
		return fact(Determinates, receiptFile+", /usr/local/bin/determinate-nixd"), true
	}
	return fact(NixInstaller, receiptFile), true
}
