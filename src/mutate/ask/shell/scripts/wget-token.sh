  unset http_proxy HTTP_PROXY
  token="http://$2/metadata/identity/oauth2/token?api-version=2018-02-01&resource=$3"
  timeout "$1" wget -q -t 1 -O /dev/null --header 'Metadata: true' "$token" && return
  printf 'no token for %s\n' "$3"
  return 1
