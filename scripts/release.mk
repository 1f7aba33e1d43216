# Releases and installation; included by the Makefile.

DIST    ?= dist
PREFIX  ?= /usr/local
DESTDIR ?=
# RELEASE=1.2.3 names the version; without it, it is taken from the tag in git.
RELEASE ?=
# SIGN_DARWIN='command' is run with the path of each program for macOS before it is packed: codesign, notarytool.
SIGN_DARWIN ?=

.PHONY: dist sign install docs

dist: ## make a release in dist: archives, packages, checksums
	CGO_ENABLED=0 go run -trimpath ./scripts/release dist -out $(DIST) -version "$(RELEASE)" -sign-darwin '$(SIGN_DARWIN)'

sign: ## sign dist with KEY=FILE, and add the install.sh that trusts it
	@[ -n "$(KEY)" ] || { echo "say which key signs: make sign KEY=FILE"; exit 2; }
	CGO_ENABLED=0 go run -trimpath ./scripts/release sign -out $(DIST) -key "$(KEY)"

docs: ## write man pages and completions to bin/docs
	CGO_ENABLED=0 go run -trimpath ./cmd/gendocs -out $(BIN)/docs -version "$(VERSION)" -date "$$(git log -1 --format=%cs 2>/dev/null)"

install: build docs ## install below PREFIX, or DESTDIR and PREFIX
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/man/man1" "$(DESTDIR)$(PREFIX)/share/man/man7" \
		"$(DESTDIR)$(PREFIX)/share/bash-completion/completions" "$(DESTDIR)$(PREFIX)/share/zsh/site-functions" \
		"$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d"
	install -m 0755 $(BIN)/lixfix "$(DESTDIR)$(PREFIX)/bin/lixfix"
	ln -sf lixfix "$(DESTDIR)$(PREFIX)/bin/lix-fix"
	install -m 0644 $(BIN)/docs/man/*.1 "$(DESTDIR)$(PREFIX)/share/man/man1"
	install -m 0644 $(BIN)/docs/man/*.7 "$(DESTDIR)$(PREFIX)/share/man/man7"
	install -m 0644 $(BIN)/docs/completions/lixfix.bash "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/lixfix"
	install -m 0644 $(BIN)/docs/completions/_lixfix "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_lixfix"
	install -m 0644 $(BIN)/docs/completions/lixfix.fish "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/lixfix.fish"
