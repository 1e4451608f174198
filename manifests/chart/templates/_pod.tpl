{{/* The image that replicas run. */}}
{{- define "sallyport.image" -}}
{{- with .Values.image -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}
{{- end }}

{{/* The Secret that the certificate is mounted from, where Sallyport does not make it. */}}
{{- define "sallyport.secret" -}}
{{- if eq .Values.certificates.from "cert-manager" -}}
sallyport-tls
{{- else -}}
{{ .Values.certificates.secret }}
{{- end }}
{{- end }}
