{{/* Parts of pods that the service and the test share. */}}

{{- define "pagerduty-subscriber.podBase" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{ toYaml . | indent 2 }}
{{- end }}
serviceAccountName: {{ include "pagerduty-subscriber.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.podSecurityContext }}
securityContext:
{{ toYaml . | indent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
{{ toYaml . | indent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
{{ toYaml . | indent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
{{ toYaml . | indent 2 }}
{{- end }}
{{- end -}}

{{- define "pagerduty-subscriber.containerBase" -}}
image: {{ include "pagerduty-subscriber.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext:
{{ toYaml . | indent 2 }}
{{- end }}
{{- end -}}

{{- define "pagerduty-subscriber.probe" -}}
{{- $httpGet := dict "path" .path "port" "http" "scheme" "HTTP" -}}
{{ toYaml (mergeOverwrite (dict "httpGet" $httpGet) .fields) }}
{{- end -}}

{{/* One Secret or ConfigMap as a source of a projected volume: (dict "of" {...} "path" "ca.crt") */}}
{{- define "pagerduty-subscriber.caSource" -}}
{{- if .of.secret -}}
- secret:
    name: {{ .of.secret }}
{{- else -}}
- configMap:
    name: {{ .of.configMap }}
{{- end }}
    items:
      - {key: {{ default "ca.crt" .of.key }}, path: ca.crt}
{{- end -}}
