# The options of the modules for NixOS and for nix-darwin. What the job runs is made here as well, in "command".
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.lixfix;
  inherit (lib) mkOption types;
in
{
  options.services.lixfix = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = "Whether to check this host for known issues of Lix and Nix, after each start and again and again. Nothing is changed.";
    };
    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = "pkgs.callPackage ./package.nix { }";
      description = "The lixfix that checks, and that is in the path.";
    };
    interval = mkOption {
      type = types.ints.positive;
      default = 3600;
      description = "Seconds between two checks.";
    };
    prometheusFile = mkOption {
      type = types.nullOr (types.strMatching "/[A-Za-z0-9/._+-]+[.]prom");
      default = null;
      example = "/var/lib/node_exporter/lixfix.prom";
      description = ''
        File that each check writes for the textfile collector of node_exporter, which is started with
        --collector.textfile.directory and the directory of that file. The directory is made if there is none. It has to
        be one that only root can change: into another one, root does not write.
      '';
    };
    command = mkOption {
      type = types.str;
      internal = true;
      readOnly = true;
      description = "What the job runs.";
    };
  };

  config.services.lixfix.command =
    "${cfg.package}/bin/lixfix check --quiet"
    + lib.optionalString (
      cfg.prometheusFile != null
    ) " --format prometheus --output ${cfg.prometheusFile}";
}
