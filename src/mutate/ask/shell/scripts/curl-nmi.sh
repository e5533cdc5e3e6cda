  timeout=$1 metadata=$4 verify=$5
  host=${NMI_GUARD_HOST_IP:-$HOST_IP}
  case $host in *:*) host="[$host]" ;; esac
  get() { curl -q -s -g --noproxy '*' -m "$timeout" -w ' %{http_code}' "http://$1"; }
  says() { [ "$(get "$1")" = "$(printf "$2")" ]; }
  case $verify in *healthz*)
    if ! says "$host:$2$3" 'Active 200'; then
      printf 'NMI at http://%s is not Active\n' "$host:$2$3"
      return 1
    fi ;;
  esac
  case $verify in *interception*)
    if ! says "$metadata/metadata/identity/nmi-guard/oauth2/token" 'Invalid request\n 400' &&
      ! says "$metadata/host/token" "missing 'podname' and 'podns' from request header\n 400"; then
      printf '%s is not answered by NMI\n' "$metadata"
      return 1
    fi ;;
  esac
