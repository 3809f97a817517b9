{{/* What would install and then not work, said before anything is installed; all of it at once.
     What one value alone may be is the business of values.schema.json, what a rule may be that of
     `pagerduty-subscriber check`, which `helm test` runs. */}}
{{- define "pagerduty-subscriber.checks" -}}
{{- $v := .Values -}}
{{- $nats := default (dict) $v.config.nats -}}
{{- $pagerduty := default (dict) $v.config.pagerduty -}}
{{- $services := default (dict) $v.config.services -}}
{{- $faults := list -}}

{{- $urls := include "pagerduty-subscriber.natsUrls" . | fromYamlArray -}}
{{- $natsEnv := or (include "pagerduty-subscriber.hasEnv" (dict "root" . "name" "NATS_URL")) $v.extraEnvFrom -}}
{{- if not (or $urls $natsEnv) -}}
{{- $faults = append $faults "config.nats.url: no NATS server is named. For example: --set config.nats.url=nats://nats:4222" -}}
{{- end -}}
{{- range $urls -}}
{{- if contains "@" . -}}
{{- $faults = append $faults "config.nats.url: holds credentials, and would show them in a ConfigMap. Take them out and use natsAuth" -}}
{{- end -}}
{{- end -}}

{{- $keyEnv := or (include "pagerduty-subscriber.hasEnv" (dict "root" . "name" "PAGERDUTY_ROUTING_KEY")) $v.extraEnvFrom -}}
{{- if not (or $v.routingKeys $services $keyEnv) -}}
{{- $faults = append $faults "routingKeys: no routing key, so nothing would ever reach PagerDuty. Make a Secret that holds the Integration Key of an Events API v2 integration, and name it: kubectl create secret generic pagerduty --from-file=routing-key=FILE, then --set routingKeys.default.existingSecret.name=pagerduty" -}}
{{- end -}}
{{- range $name, $key := $v.routingKeys -}}
{{- $given := list -}}
{{- if dig "existingSecret" "name" "" $key -}}{{- $given = append $given "existingSecret" -}}{{- end -}}
{{- if $key.value -}}{{- $given = append $given "value" -}}{{- end -}}
{{- if ne (len $given) 1 -}}
{{- $faults = append $faults (printf "routingKeys.%s: give exactly one of existingSecret.name and value" $name) -}}
{{- end -}}
{{- if $key.value -}}
{{- if not (regexMatch "^[A-Za-z0-9]{32}$" (trim (toString $key.value))) -}}
{{- $faults = append $faults (printf "routingKeys.%s.value: a routing key has 32 letters and digits, this has %d characters. PagerDuty shows it as Integration Key of an Events API v2 integration" $name (len (trim (toString $key.value)))) -}}
{{- end -}}
{{- end -}}
{{- $service := default (dict) (get $services $name) -}}
{{- if or $service.routing_key_env $service.routing_key_file -}}
{{- $faults = append $faults (printf "config.services.%s: names a routing key, and routingKeys.%s does too; take one out" $name $name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $service := $services -}}
{{- $service = default (dict) $service -}}
{{- if not (or (hasKey $v.routingKeys $name) $service.routing_key_env $service.routing_key_file) -}}
{{- $faults = append $faults (printf "config.services.%s: has no routing key; add routingKeys.%s, or routing_key_file or routing_key_env" $name $name) -}}
{{- end -}}
{{- end -}}

{{- with $v.natsAuth -}}
{{- if and .method (not .existingSecret) -}}
{{- $faults = append $faults (printf "natsAuth.existingSecret: natsAuth.method is %s, and no Secret is named" .method) -}}
{{- end -}}
{{- if and .existingSecret (not .method) -}}
{{- $faults = append $faults "natsAuth.method: a Secret is named, but not what is in it: credentials, nkey, password or token" -}}
{{- end -}}
{{- if and (eq .method "password") (not $nats.user) (not (include "pagerduty-subscriber.hasEnv" (dict "root" $ "name" "NATS_USER"))) (not $v.extraEnvFrom) -}}
{{- $faults = append $faults "config.nats.user: natsAuth.method is password, and no user is named" -}}
{{- end -}}
{{- if .method -}}
{{- $method := get (include "pagerduty-subscriber.natsAuthMethods" $ | fromYaml) .method -}}
{{- if get $nats $method.file -}}
{{- $faults = append $faults (printf "config.nats.%s: natsAuth sets it too; take one out" $method.file) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $where, $source := dict "natsTls.ca" $v.natsTls.ca "pagerdutyCa" $v.pagerdutyCa -}}
{{- if $source -}}
{{- if eq (empty $source.secret) (empty $source.configMap) -}}
{{- $faults = append $faults (printf "%s: give exactly one of secret and configMap" $where) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $v.natsTls.client (not $v.natsTls.client.secret) -}}
{{- $faults = append $faults "natsTls.client.secret: name the Secret that holds the certificate and its key" -}}
{{- end -}}

{{- $listen := default "" (dig "http" "listen" "" $v.config) -}}
{{- if not (regexMatch ":[1-9][0-9]*$" $listen) -}}
{{- $faults = append $faults "config.http.listen: the probes need an address and a port, for example 0.0.0.0:8080" -}}
{{- else if regexMatch "^(127\\.|localhost:|\\[::1\\])" $listen -}}
{{- $faults = append $faults "config.http.listen: the probes cannot reach a loopback address; use 0.0.0.0:8080 or [::]:8080" -}}
{{- else if lt (include "pagerduty-subscriber.port" . | int) 1024 -}}
{{- $faults = append $faults "config.http.listen: ports below 1024 are for root, and the container is not; use 0.0.0.0:8080" -}}
{{- end -}}
{{- if le (include "pagerduty-subscriber.ackWait" . | float64) (addf (include "pagerduty-subscriber.timeout" . | float64) 10) -}}
{{- $faults = append $faults (printf "config.nats.ack_wait: must be more than 10 seconds longer than config.pagerduty.timeout; at least %v" (addf (include "pagerduty-subscriber.timeout" . | float64) 15)) -}}
{{- end -}}
{{- if lt (include "pagerduty-subscriber.gracePeriod" . | float64) (addf (include "pagerduty-subscriber.drainTimeout" . | float64) 5) -}}
{{- $faults = append $faults (printf "terminationGracePeriodSeconds: must be at least 5 seconds longer than config.delivery.drain_timeout (%s), or what is in hand at a stop is cut off" (include "pagerduty-subscriber.drainTimeout" .)) -}}
{{- end -}}
{{- if hasKey $v.templates "subscriber.yaml" -}}
{{- $faults = append $faults "templates: subscriber.yaml is the configuration itself; call the template otherwise" -}}
{{- end -}}

{{- if and $v.autoscaling.enabled $v.keda.enabled -}}
{{- $faults = append $faults "autoscaling.enabled, keda.enabled: KEDA makes a HorizontalPodAutoscaler of its own; switch one off" -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (lt ($v.autoscaling.maxReplicas | int) ($v.autoscaling.minReplicas | int)) -}}
{{- $faults = append $faults "autoscaling.maxReplicas: is less than minReplicas" -}}
{{- end -}}
{{- if $v.keda.enabled -}}
{{- if not $v.keda.monitoringEndpoint -}}
{{- $faults = append $faults "keda.monitoringEndpoint: name the monitoring port of NATS, for example nats-headless.nats.svc:8222" -}}
{{- end -}}
{{- if not (or $v.keda.stream $nats.stream) -}}
{{- $faults = append $faults "keda.stream: name the stream whose lag counts (PAGERDUTY_EVENTS when the service made it, keptn with Keptn)" -}}
{{- end -}}
{{- if eq (default "jetstream" $nats.mode) "core" -}}
{{- $faults = append $faults "keda.enabled: with config.nats.mode core there is no consumer and no lag" -}}
{{- end -}}
{{- if lt ($v.keda.maxReplicaCount | int) ($v.keda.minReplicaCount | int) -}}
{{- $faults = append $faults "keda.maxReplicaCount: is less than minReplicaCount" -}}
{{- end -}}
{{- end -}}
{{- if and $v.serviceMonitor.enabled $v.podMonitor.enabled -}}
{{- $faults = append $faults "serviceMonitor.enabled, podMonitor.enabled: everything would be scraped twice; switch one off" -}}
{{- end -}}
{{- if and $v.serviceMonitor.enabled (not $v.service.enabled) -}}
{{- $faults = append $faults "serviceMonitor.enabled: needs service.enabled; or use podMonitor" -}}
{{- end -}}
{{- if $v.nack.enabled -}}
{{- if eq (default "jetstream" $nats.mode) "core" -}}
{{- $faults = append $faults "nack.enabled: with config.nats.mode core there are no streams" -}}
{{- end -}}
{{- if and $v.nack.consumer.create (not $v.nack.stream.create) (not $nats.stream) -}}
{{- $faults = append $faults "nack.consumer.create: name the stream in config.nats.stream, or let nack.stream.create make one" -}}
{{- end -}}
{{- end -}}

{{- if $faults -}}
{{- fail (printf "\n\nThese values cannot work:\n  - %s\n" (join "\n  - " $faults)) -}}
{{- end -}}
{{- end -}}
