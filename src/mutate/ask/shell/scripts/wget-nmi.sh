  unset http_proxy HTTP_PROXY
  host=${NMI_GUARD_HOST_IP:-$HOST_IP}
  case $host in *:*) host="[$host]" ;; esac
  [ "$(timeout "$1" wget -q -t 1 -O - "http://$host:$2$3" && echo .)" = Active. ] && return
  printf 'NMI at http://%s is not Active\n' "$host:$2$3"
  return 1
