@echo off
rem The demonstration on Windows: builds what it needs, then runs it. "quickstart --help" tells what can be chosen.
setlocal EnableExtensions DisableDelayedExpansion
set "ROOT=%~dp0"
set "APP=%ROOT%quickstart-app"
set "LOG=%APP%\target\build.log"

if /i "%~1"=="--help" goto help
if /i "%~1"=="-h" goto help

set "JAVA=java"
if defined JAVA_HOME set "JAVA=%JAVA_HOME%\bin\java.exe"
"%JAVA%" -version >nul 2>&1
if errorlevel 1 (
  echo quickstart: no java in JAVA_HOME or the PATH; install a JDK, 17 or later 1>&2
  exit /b 2
)
rem openjdk version "17.0.15" 2025-04-15; before Java 9 it was "1.8.0_402".
set "VERSION=0"
for /f "tokens=3" %%v in ('call "%JAVA%" -version 2^>^&1 ^| findstr /c:" version "') do set "VERSION=%%~v"
set "MAJOR=0"
for /f "delims=._-+" %%m in ("%VERSION%") do set "MAJOR=%%m"
if %MAJOR% LSS 17 (
  echo quickstart: this java is version %VERSION%; install a JDK, 17 or later 1>&2
  exit /b 2
)
where mvn >nul 2>&1
if errorlevel 1 (
  echo quickstart: no mvn in the PATH; install Maven, 3.8 or later 1>&2
  exit /b 2
)

rem Always: Maven itself finds out what has changed.
if not exist "%APP%\target" mkdir "%APP%\target"
echo building; the first time takes a few minutes, because Maven downloads the libraries, PostgreSQL and Kafka
pushd "%ROOT%"
call mvn -B -ntp %MVN_FLAGS% -pl quickstart-app -am package -Dmaven.test.skip=true -Dspotless.check.skip -Dcheckstyle.skip -Dcompiler.warnings=-nowarn >"%LOG%" 2>&1
set "STATUS=%ERRORLEVEL%"
popd
if not "%STATUS%"=="0" (
  findstr /b /c:"[ERROR]" "%LOG%" 1>&2
  echo quickstart: the build failed; all Maven said is in "%LOG%" 1>&2
  exit /b 2
)

rem One stage of compilation: on two cores the second keeps everybody from work for half a minute. The agent has both.
"%JAVA%" -Xmx512m -XX:TieredStopAtLevel=1 -jar "%APP%\target\quickstart.jar" --agent-jar "%ROOT%outbox-agent\target\outbox-agent.jar" %*
exit /b %ERRORLEVEL%

:help
type "%APP%\src\main\resources\io\outboxinbox\quickstart\help.txt"
exit /b 0
