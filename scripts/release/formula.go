package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// formulaName is the file that Homebrew reads: the name of a formula is that of its file.
const formulaName = "lixfix.rb"

// formulaHead and formulaTail are what does not depend on the archives. Homebrew's directories belong to a user, which the
// caveat is about: lixfix refuses to have root run such a program after every boot.
const (
	formulaHead = `# Written by "make dist" of lixfix.
class Lixfix < Formula
  desc "%s"
  homepage "https://github.com/lixfix/lixfix"
  version "%s"
  license "MIT"

`
	formulaTail = `  def install
    bin.install "lixfix"
    bin.install_symlink "lixfix" => "lix-fix"
    man1.install Dir["man/*.1"]
    man7.install Dir["man/*.7"]
    bash_completion.install "completions/lixfix.bash" => "lixfix"
    zsh_completion.install "completions/_lixfix"
    fish_completion.install "completions/lixfix.fish"
    pkgshare.install Dir["integration/*"]
  end

  def caveats
    <<~EOS
      Whoever can change Homebrew's files decides what "sudo lixfix" runs.
      "lixfix schedule install" has root run lixfix after every boot, so it needs
      a copy that only root can change:
        sudo install -d -o root -m 0755 /opt/lixfix /opt/lixfix/bin
        sudo install -o root -m 0755 #{opt_bin}/lixfix /opt/lixfix/bin/lixfix
        sudo /opt/lixfix/bin/lixfix schedule install
    EOS
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/lixfix version")
  end
end
`
)

// formula writes the formula for Homebrew, with the checksums of the archives as they are.
func (d *Dist) formula() error {
	var b strings.Builder
	fmt.Fprintf(&b, formulaHead, summary, d.Version)
	for _, system := range [][2]string{{"darwin", "macos"}, {"linux", "linux"}} {
		var archives strings.Builder
		for _, t := range d.Targets {
			if t.OS != system[0] {
				continue
			}
			name := "lixfix-" + d.Version + "-" + t.String() + ".tar.gz"
			data, err := os.ReadFile(filepath.Join(d.Out, name))
			if err != nil {
				return err
			}
			fmt.Fprintf(&archives, "    on_%s do\n      url \"https://github.com/lixfix/lixfix/releases/download/v%s/%s\"\n      sha256 \"%x\"\n    end\n",
				map[string]string{"arm64": "arm", "amd64": "intel"}[t.Arch], d.Version, name, sha256.Sum256(data))
		}
		if archives.Len() > 0 {
			fmt.Fprintf(&b, "  on_%s do\n%s  end\n\n", system[1], archives.String())
		}
	}
	b.WriteString(formulaTail)
	fmt.Fprintln(d.Log, formulaName)
	return os.WriteFile(filepath.Join(d.Out, formulaName), []byte(b.String()), 0o644)
}
