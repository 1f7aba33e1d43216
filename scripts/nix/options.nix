# The options of the modules for NixOS and nix-darwin, and the command line that the job runs ("command").
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
      description = "Whether to check this host for known issues of Lix and Nix after every boot and then regularly. A check changes nothing.";
    };
    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = "pkgs.callPackage ./package.nix { }";
      description = "The lixfix package that runs the checks and is added to the system's packages.";
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
        File to which each check writes metrics for node_exporter's textfile collector. Start node_exporter with
        --collector.textfile.directory and the directory of this file. The directory is created if it does not exist. Only
        root may be able to change it; otherwise lixfix refuses to write there.
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
