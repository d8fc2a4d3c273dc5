// An application for tests to send signals to. Its one handler prints "begun ID" and runs until a line comes in; it heeds no cancellation. Then it prints "ended".
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Postrider;

var builder = Host.CreateApplicationBuilder();
builder.Logging.ClearProviders().AddSimpleConsole(static console => console.SingleLine = true).SetMinimumLevel(LogLevel.Warning);
builder.Services.Configure<HostOptions>(static host => host.ShutdownTimeout = TimeSpan.FromHours(1));
builder.Services.AddMessaging()
    .UseInMemory()
    .HandleSignals()
    .Configure(static options => options with { DrainTimeout = TimeSpan.FromMinutes(50) })
    .AddConsumer<Signalled>("signalled", static async (_, context, _) =>
    {
        await Console.Out.WriteLineAsync($"begun {context.MessageId}");
        await Console.In.ReadLineAsync(CancellationToken.None);
        await Console.Out.WriteLineAsync("ended");
        return Outcome.Ack;
    });
using var host = builder.Build();
host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(static () => Console.Out.WriteLine("stopping"));
await host.StartAsync();
await host.Services.GetRequiredService<IMessageBus>().SendAsync("signalled", new Signalled(1));
await host.WaitForShutdownAsync();

[Message("tests.signalled")]
internal sealed record Signalled(int Number);
