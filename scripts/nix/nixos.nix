# services.lixfix for NixOS. The job is confined as that of "lixfix schedule install"; a test compares them.
{ config, lib, ... }:

let
  cfg = config.services.lixfix;
  writes = cfg.prometheusFile != null;
  dir = dirOf cfg.prometheusFile;
in
{
  imports = [ ./options.nix ];

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];

    systemd.tmpfiles.rules = lib.mkIf writes [ "d ${dir} 0755 root root -" ];

    systemd.timers.lixfix-check = {
      description = "Check regularly for known issues of Lix and Nix installations";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnUnitActiveSec = cfg.interval;
        RandomizedDelaySec = cfg.interval / 2;
      };
    };

    systemd.services.lixfix-check = {
      description = "Check for known issues of Lix and Nix installations";
      documentation = [ "man:lixfix-check(1)" ];
      after = [ "nix-daemon.socket" ];
      wantedBy = [ "multi-user.target" ];
      # It fails where something is found, which a new configuration cannot help.
      restartIfChanged = false;
      serviceConfig = {
        Type = "oneshot";
        ExecStart = cfg.command;
        Nice = 10;
        TimeoutStartSec = "10min";

        # It looks at everything and changes nothing.
        ProtectSystem = "strict";
        ProtectHome = "read-only";
        PrivateTmp = true;
        PrivateDevices = true;
        BindReadOnlyPaths = "-/dev/net";
        PrivateMounts = true;
        ProtectClock = true;
        ProtectControlGroups = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectProc = "invisible";
        UMask = "0077";
        NoNewPrivileges = true;
        CapabilityBoundingSet = [
          "CAP_DAC_READ_SEARCH CAP_SYS_PTRACE"
          "CAP_NET_ADMIN CAP_NET_RAW"
          "CAP_SETUID CAP_SETGID CAP_SETPCAP"
        ];
        LockPersonality = true;
        MemoryDenyWriteExecute = true;
        RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6 AF_NETLINK";
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        SystemCallArchitectures = "native";
        SystemCallFilter = [
          "@system-service"
          "~@resources"
        ];
        SystemCallErrorNumber = "EPERM";
      }
      // lib.optionalAttrs writes { ReadWritePaths = "-${dir}"; };
    };
  };
}
