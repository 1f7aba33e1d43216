# The modules, on systems that have the options of NixOS and of nix-darwin which they set. lib is nixpkgs', or stands for it.
{ lib, program }:

let
  derivation' = {
    type = "derivation";
    outPath = program;
  };
  pkgs.callPackage = file: _: builtins.seq (import file) derivation';
  open = lib.mkOption { type = lib.types.attrsOf lib.types.anything; default = { }; };
  packages = lib.mkOption { type = lib.types.listOf lib.types.anything; default = [ ]; };
  rules = lib.mkOption { type = lib.types.listOf lib.types.str; default = [ ]; };
  text = lib.mkOption { type = lib.types.lines; default = ""; };
  systems = {
    nixos = {
      environment.systemPackages = packages;
      systemd = { services = open; timers = open; tmpfiles.rules = rules; };
    };
    darwin = {
      environment.systemPackages = packages;
      launchd.daemons = open;
      system.activationScripts.extraActivation.text = text;
    };
  };
  on =
    system: settings:
    let
      seen = lib.evalModules {
        specialArgs = { inherit pkgs; };
        modules = [
          { options = systems.${system}; }
          (../. + "/${system}.nix")
          { config = { services.lixfix = settings; }; }
        ];
      };
    in
    {
      packages = map (p: p.outPath) seen.config.environment.systemPackages;
    }
    // (if system == "nixos" then { inherit (seen.config) systemd; } else { inherit (seen.config) launchd system; });
in
{ system, settings }: on system settings
