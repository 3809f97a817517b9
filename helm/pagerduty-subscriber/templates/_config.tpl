{{/* The service's configuration: what is written in values under `config`, and what the chart knows. */}}

{{/* Paths in the container. Mounts are whole folders, never subPath: only so Kubernetes brings a
     changed ConfigMap or Secret into a running pod, by turning the link ..data round. */}}
{{- define "pagerduty-subscriber.folder" -}}/etc/pagerduty-subscriber{{- end -}}

{{/* method of natsAuth -> key of the configuration, key of the Secret when none is given */}}
{{- define "pagerduty-subscriber.natsAuthMethods" -}}
credentials: {file: credentials_file, key: nats.creds}
nkey: {file: nkey_file, key: nkey.seed}
password: {file: password_file, key: password}
token: {file: token_file, key: token}
{{- end -}}

{{/* How many replicas there may be at once, for dividing PagerDuty's limit. */}}
{{- define "pagerduty-subscriber.mostReplicas" -}}
{{- if .Values.keda.enabled -}}{{ .Values.keda.maxReplicaCount }}
{{- else if .Values.autoscaling.enabled -}}{{ .Values.autoscaling.maxReplicas }}
{{- else -}}{{ .Values.replicaCount }}
{{- end -}}
{{- end -}}

{{/* The whole configuration, (dict "root" . "as" "yaml") or "json". Nothing reads the YAML back: a key
     like `<<` would not survive that. */}}
{{- define "pagerduty-subscriber.configAs" -}}
{{- $root := .root -}}
{{- $folder := include "pagerduty-subscriber.folder" $root -}}
{{- $config := deepCopy $root.Values.config -}}
{{- $nats := deepCopy (default (dict) $config.nats) -}}
{{- if not $nats.url -}}{{- $nats = omit $nats "url" -}}{{- end -}}
{{- with $root.Values.natsAuth -}}
{{- if .method -}}
{{- $method := get (include "pagerduty-subscriber.natsAuthMethods" $root | fromYaml) .method -}}
{{- $_ := set $nats $method.file (printf "%s/nats-auth/%s" $folder .method) -}}
{{- end -}}
{{- end -}}
{{- $tls := deepCopy (default (dict) $nats.tls) -}}
{{- with $root.Values.natsTls -}}
{{- if .ca -}}{{- $_ := set $tls "ca_file" (printf "%s/nats-tls/ca.crt" $folder) -}}{{- end -}}
{{- if .client -}}
{{- $_ := set $tls "cert_file" (printf "%s/nats-tls/tls.crt" $folder) -}}
{{- $_ := set $tls "key_file" (printf "%s/nats-tls/tls.key" $folder) -}}
{{- end -}}
{{- if .serverName -}}{{- $_ := set $tls "server_name" .serverName -}}{{- end -}}
{{- end -}}
{{- if $tls -}}{{- $_ := set $nats "tls" $tls -}}{{- end -}}
{{- $_ := set $config "nats" $nats -}}
{{- $pagerduty := deepCopy (default (dict) $config.pagerduty) -}}
{{- if $root.Values.pagerdutyCa -}}
{{- $_ := set $pagerduty "ca_file" (printf "%s/pagerduty-ca/ca.crt" $folder) -}}
{{- end -}}
{{- if not (hasKey $pagerduty "rate_limit") -}}
{{- $_ := set $pagerduty "rate_limit" (max 1 (div 120 (max 1 (include "pagerduty-subscriber.mostReplicas" $root | int)))) -}}
{{- end -}}
{{- $_ := set $config "pagerduty" $pagerduty -}}
{{- $services := deepCopy (default (dict) $config.services) -}}
{{- range $name, $key := $root.Values.routingKeys -}}
{{- $file := printf "%s/routing-keys/%s" $folder (include "pagerduty-subscriber.slug" $name) -}}
{{- $_ := set $services $name (mergeOverwrite (deepCopy (default (dict) (get $services $name))) (dict "routing_key_file" $file)) -}}
{{- end -}}
{{- if $services -}}{{- $_ := set $config "services" $services -}}{{- end -}}
{{- if eq .as "json" -}}{{- toJson $config -}}{{- else -}}{{- toYaml $config -}}{{- end -}}
{{- end -}}
{{- define "pagerduty-subscriber.config" -}}
{{- include "pagerduty-subscriber.configAs" (dict "root" . "as" "yaml") -}}
{{- end -}}
{{- define "pagerduty-subscriber.configJson" -}}
{{- include "pagerduty-subscriber.configAs" (dict "root" . "as" "json") -}}
{{- end -}}

{{/* What only a restart takes: everything but rules, packs, services and the hot part of
     `pagerduty`. The running service takes those by itself, so they are no reason to replace pods. */}}
{{- define "pagerduty-subscriber.restartChecksum" -}}
{{- $config := include "pagerduty-subscriber.configJson" . | fromJson -}}
{{- $fixed := omit $config "rules" "packs" "services" "pagerduty" -}}
{{- $_ := set $fixed "pagerduty" (pick $config.pagerduty "timeout" "ca_file") -}}
{{- toJson $fixed | sha256sum -}}
{{- end -}}

{{/* The port of health and metrics. */}}
{{- define "pagerduty-subscriber.port" -}}
{{- .Values.config.http.listen | splitList ":" | last -}}
{{- end -}}

{{/* Seconds that a stop may take. */}}
{{- define "pagerduty-subscriber.gracePeriod" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- add (include "pagerduty-subscriber.drainTimeout" . | float64 | ceil | int) 15 -}}
{{- else -}}
{{- .Values.terminationGracePeriodSeconds | int -}}
{{- end -}}
{{- end -}}

{{/* The service's defaults for what the chart has to know; a test holds them equal. */}}
{{- define "pagerduty-subscriber.drainTimeout" -}}
{{- dig "delivery" "drain_timeout" 20 .Values.config -}}
{{- end -}}
{{- define "pagerduty-subscriber.durable" -}}
{{- dig "nats" "durable" "pagerduty-subscriber" .Values.config -}}
{{- end -}}
{{- define "pagerduty-subscriber.ackWait" -}}
{{- dig "nats" "ack_wait" 30 .Values.config -}}
{{- end -}}
{{- define "pagerduty-subscriber.timeout" -}}
{{- dig "pagerduty" "timeout" 10 .Values.config -}}
{{- end -}}

{{/* nats.url as a list, whatever way it is written; subjects likewise. */}}
{{- define "pagerduty-subscriber.natsUrls" -}}
{{- $urls := dig "nats" "url" list .Values.config -}}
{{- toYaml (ternary $urls (compact (list $urls)) (kindIs "slice" $urls)) -}}
{{- end -}}
{{- define "pagerduty-subscriber.subjects" -}}
{{- $subjects := dig "nats" "subjects" (list "sh.keptn.>" "dev.cdevents.>") .Values.config -}}
{{- toYaml (ternary $subjects (list $subjects) (kindIs "slice" $subjects)) -}}
{{- end -}}

{{/* Ports of the NATS servers, from their URLs, as a YAML list. */}}
{{- define "pagerduty-subscriber.natsPorts" -}}
{{- $standard := dict "ws" "80" "wss" "443" -}}
{{- $ports := list -}}
{{- range $url := include "pagerduty-subscriber.natsUrls" . | fromYamlArray -}}
{{- $scheme := ternary (splitList "://" $url | first) "nats" (contains "://" $url) -}}
{{- $address := splitList "://" $url | last | splitList "/" | first -}}
{{- $found := regexFind ":[0-9]+$" $address | trimPrefix ":" -}}
{{- $ports = append $ports (default (dig $scheme "4222" $standard) $found | int) -}}
{{- end -}}
{{- toYaml (uniq $ports) -}}
{{- end -}}

{{/* Whether an environment variable is set by the values. */}}
{{- define "pagerduty-subscriber.hasEnv" -}}
{{- range .root.Values.extraEnv -}}{{- if eq .name $.name -}}yes{{- end -}}{{- end -}}
{{- end -}}
