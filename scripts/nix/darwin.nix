# services.lixfix for nix-darwin.
{ config, lib, ... }:

let
  cfg = config.services.lixfix;
in
{
  imports = [ ./options.nix ];

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];

    # These scripts run in a known order under known names; this one is for what others add.
    system.activationScripts.extraActivation.text = lib.mkIf (cfg.prometheusFile != null) ''
      mkdir -p -m 0755 ${dirOf cfg.prometheusFile}
    '';

    # nix-darwin waits for /nix before it runs a command.
    launchd.daemons.lixfix-check = {
      inherit (cfg) command;
      serviceConfig = {
        RunAtLoad = true;
        StartInterval = cfg.interval;
        ProcessType = "Background";
        StandardOutPath = "/var/log/lixfix.log";
        StandardErrorPath = "/var/log/lixfix.log";
      };
    };
  };
}
