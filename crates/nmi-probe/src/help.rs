//! What `--help` prints.

/// The usage of every command, each flag with its default.
pub const HELP: &str = "\
Checks whether the node's NMI (AAD Pod Identity) guards this Pod.

Usage:
  nmi-probe check [FLAGS]               check once
  nmi-probe check [FLAGS] -- COMMAND... then become COMMAND, a wrapped exec probe
  nmi-probe wait [FLAGS]                check until guarded
  nmi-probe serve [FLAGS]               check again and again, and answer over HTTP
  nmi-probe install DIR                 copy this binary to DIR/nmi-probe

What is asked, for check, wait and serve (--flag=value or --flag value):
  --ask=nmi                             NMI itself: nmi; for a token: token [nmi]
 with --ask=nmi:
  --verify=healthz,interception         what to check: either or both      [both]
  --port=PORT                           port of the NMI's health endpoint  [8085]
  --path=PATH                           path of the NMI's health endpoint  [/healthz]
 with --ask=token:
  --resource=URL                        what the token is for  [https://management.azure.com/]
  --expect-identity=ID                  whose it must be: a client id, an object id or a
                                        resource id (/subscriptions/...)   [anyone's]
Flags of check:
  --timeout=TIME                        the longest it may take            [2400ms]
  --then=TARGET                         then ask the probe that was wrapped
  --header=NAME:VALUE                   a header for TARGET; may be given again
Flags of wait:
  --timeout=TIME                        give up after this time            [never]
  --install=DIR                         first copy this binary to DIR/nmi-probe
  --interval=TIME                       pause between attempts             [2s]
  --attempt-timeout=TIME                the longest one attempt may take   [3s, token 30s]
Flags of serve:
  --listen-port=PORT                    port of /ready, /live and /probe/NAME; 0 is any free
                                        one                                [18085]
  --interval=TIME                       pause between attempts             [500ms, token 5s]
  --attempt-timeout=TIME                the longest one attempt may take   [1500ms, token 10s]
  --probe=NAME=TARGET                   a wrapped probe; may be given again. NAME is
                                        CONTAINER/readiness or CONTAINER/liveness
  --header=NAME:VALUE                   a header for the --probe before it; may be given again
  --probe-timeout=TIME                  the longest the --probe before it may take [1s]

TIME is 2400ms, 3s or 3 (seconds).
TARGET is http://HOST:PORT/PATH?QUERY, tcp://HOST:PORT or grpc://HOST:PORT/SERVICE. HOST is an IP
address, IPv6 in brackets, or empty for the Pod's own.

Environment:
  NMI_GUARD_HOST_IP, else HOST_IP       the node's IP address, for healthz
  NMI_GUARD_POD_IP                      the Pod's IP address, for a TARGET without HOST
  NMI_GUARD_METADATA_ADDRESS            IP:PORT of the metadata service, for tests [169.254.169.254:80]
  NMI_GUARD_TERMINATION_LOG             where wait leaves its last words [/dev/termination-log]

Exit status: 0 guarded, 1 not guarded or failed, 2 misused, 128+N ended by signal N; after
check -- COMMAND that of COMMAND.
";
