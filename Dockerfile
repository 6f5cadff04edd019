# Any builder will do: no BuildKit, and no syntax line, which would be fetched.

# The agent's jar. Tests belong to "mvn verify", not here: they start real servers.
FROM maven:3.9-eclipse-temurin-17 AS build
WORKDIR /src
COPY . .
RUN mvn -B -ntp -pl outbox-agent -am package -Dmaven.test.skip=true -Dspotless.check.skip -Dcheckstyle.skip

FROM eclipse-temurin:17-jre
# A number, so that "runAsNonRoot" of Kubernetes can see that it is not root.
RUN groupadd --gid 10001 agent && useradd --uid 10001 --gid agent --no-create-home --shell /usr/sbin/nologin agent
COPY --from=build /src/outbox-agent/target/outbox-agent.jar /opt/outbox-agent/outbox-agent.jar
USER 10001:10001

# Heap follows the container's memory. Half, because code, classes, threads and native buffers take about 170 MB beside it: with 512 MB
# that leaves some to spare. Not ExitOnOutOfMemoryError: a row larger than the heap would end the process at each start, before it could
# say why. The agent gives leadership up by itself, shows OUT_OF_MEMORY with the way out, and /live asks for a restart.
ENV JAVA_TOOL_OPTIONS="-XX:+UseSerialGC -XX:MaxRAMPercentage=50 -Djava.io.tmpdir=/tmp"

# Arguments and what is printed are of any script.
ENV LC_ALL=C.UTF-8

EXPOSE 8081

# The port of server.connector.port; set it where the configuration has another.
ENV HEALTH_PORT=8081

# With bash, because it is in the image for sure; curl and wget may not be, and a JVM each time would cost more than the agent.
# Liveness only: while a broker is away the agent is well, and a restart would not help.
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${HEALTH_PORT} && printf 'GET /live HTTP/1.0\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == *' 200 '* ]]"]

# Java is process 1 and gets the signal to stop. Give it 30 s: it finishes the batch under way and gives leadership up.
ENTRYPOINT ["java", "-jar", "/opt/outbox-agent/outbox-agent.jar"]
CMD ["server", "/etc/outbox-agent/agent.yml"]
