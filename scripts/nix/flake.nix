{
  description = "Find and repair known issues of Lix and Nix installations";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      # The day of the source, for the man pages: 20261129… becomes 2026-11-29.
      day = self.lastModifiedDate or "19800101";
      part = builtins.substring;
      package =
        pkgs:
        pkgs.callPackage ./package.nix {
          date = "${part 0 4 day}-${part 4 2 day}-${part 6 2 day}";
        };
    in
    {
      packages = nixpkgs.lib.genAttrs systems (system: {
        default = package nixpkgs.legacyPackages.${system};
      });
      overlays.default = final: _: { lixfix = package final; };
      nixosModules.default = ./nixos.nix;
      darwinModules.default = ./darwin.nix;
    };
}
