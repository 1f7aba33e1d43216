# Stands for the few packages and functions of nixpkgs that lixfix's package takes. With a vendor directory, buildGoModule
# builds for real, in the phases that nixpkgs has, with the Go that is in the path.
{
  system,
  vendor ? null,
  path ? "",
  cache ? "",
  home ? "",
}:

let
  lib = import ./lib.nix;
  pkgs = {
    inherit lib system;
    installShellFiles = "installShellFiles";
    buildGoModule =
      args:
      let
        phases = ''
          set -eu
          installManPage() {
            for page; do install -D -m 0644 -t "$out/share/man/man''${page##*.}" "$page"; done
          }
          installShellCompletion() {
            while [ $# -gt 0 ]; do
              case $1 in
              --cmd) cmd=$2 ;;
              --bash) install -D -m 0644 "$2" "$out/share/bash-completion/completions/$cmd.bash" ;;
              --zsh) install -D -m 0644 "$2" "$out/share/zsh/site-functions/_$cmd" ;;
              --fish) install -D -m 0644 "$2" "$out/share/fish/vendor_completions.d/$cmd.fish" ;;
              *) exit 1 ;;
              esac
              shift 2
            done
          }
          cp -r "$src" source
          chmod -R u+w source
          cd source
          cp -r "$modules" vendor
          for package in $subPackages; do
            go install -ldflags="$ldflags -buildid=" "./$package"
          done
          eval "$postBuild"
          mkdir "$out"
          cp -r "$GOPATH/bin" "$out"
          eval "$postInstall"
        '';
      in
      assert builtins.elem pkgs.installShellFiles args.nativeBuildInputs;
      args
      // derivation (
        {
          name = "${args.pname}-${args.version}";
          inherit system;
          builder = "/bin/bash";
          args = [ "-c" phases ];
          inherit (args) src subPackages ldflags postBuild postInstall;
          # Nix compares the hash.
          modules =
            if vendor == null then
              ""
            else
              builtins.path {
                name = "go-modules";
                path = vendor;
                sha256 = args.vendorHash;
              };
          PATH = path;
          GOCACHE = cache;
          HOME = home;
          GOPATH = "${home}/go";
          GOPROXY = "off";
          GOFLAGS = "-mod=vendor -trimpath";
          GOTOOLCHAIN = "local";
        }
        // args.env
      );
    callPackage =
      file: given:
      let
        f = import file;
      in
      f (builtins.intersectAttrs (builtins.functionArgs f) pkgs // given);
  };
in
pkgs
