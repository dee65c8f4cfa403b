# A static program and nothing else: docker build -t after . && docker run --rm after --help
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" -o /out/bin/after ./cmd/after
RUN mkdir -p /out/var/lib/after/data /out/var/lib/after/state /out/etc/after/jobs

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /out/ /
ENV AFTER_STORE_DATA=/var/lib/after/data \
    AFTER_STATE_FOLDER=/var/lib/after/state \
    AFTER_JOBS_FOLDER=/etc/after/jobs
USER 65532:65532
VOLUME /var/lib/after
STOPSIGNAL SIGTERM
ENTRYPOINT ["/bin/after"]
