# lixfix as nixpkgs builds Go programs: callPackage ./package.nix { }. It needs Go 1.26.
{
  lib,
  buildGoModule,
  buildGo126Module ? buildGoModule,
  installShellFiles,
  # Of the man pages. Nothing in a derivation knows the time.
  date ? "1980-01-01",
}:

let
  version = "0.1.0-dev";
  # What is built or made here does not belong to the source.
  left = [
    ".git"
    "bin"
    "dist"
    "result"
  ];
in
buildGo126Module {
  pname = "lixfix";
  inherit version;

  src = builtins.path {
    name = "lixfix-source";
    path = ../..;
    filter = name: _: !(builtins.elem (baseNameOf name) left && dirOf name == toString ../..);
  };
  # A test computes it from "go mod vendor", and prints the new one.
  vendorHash = "sha256-e7RHaMI+wm/9938IMEL83YT3PDA+0xEtiPXxoa8OHRo=";

  subPackages = [ "cmd/lixfix" ];
  # lixfix has to run where nothing of the store is left, and is its own builder in the sandbox of Nix.
  env.CGO_ENABLED = 0;
  ldflags = [
    "-s"
    "-w"
    "-X main.version=${version}"
  ];
  # The tests make hosts of their own, as root.
  doCheck = false;

  nativeBuildInputs = [ installShellFiles ];
  # The documents are written by a program that runs here, also where lixfix is for another system.
  postBuild = ''
    GOOS= GOARCH= go run ./cmd/gendocs -out docs -version ${version} -date ${date}
  '';
  postInstall = ''
    ln -s lixfix $out/bin/lix-fix
    installManPage docs/man/*
    installShellCompletion --cmd lixfix --bash docs/completions/lixfix.bash \
      --zsh docs/completions/_lixfix --fish docs/completions/lixfix.fish
    install -D -m 0644 -t $out/share/lixfix scripts/prometheus/lixfix.rules.yml
  '';

  meta = {
    description = "Find and repair known issues of Lix and Nix installations";
    homepage = "https://github.com/lixfix/lixfix";
    license = lib.licenses.mit;
    mainProgram = "lixfix";
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}
