// An application as any other: it knows nothing of tests, and of a broker that no test has.
using Postrider;
using Postrider.WebShop;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddSingleton<Stock>();
builder.Services.AddMessaging(builder.Configuration)
    .UseRabbitMq("amqp://nobody:nothing@127.0.0.1:1/")
    .AddConsumer<StockConsumer, OrderPlaced>();
var app = builder.Build();
app.MapPost("/orders/{id:int}", async (int id, IMessageBus bus) => await bus.PublishAsync(new OrderPlaced(id), new() { Delay = TimeSpan.FromHours(1) }));
app.MapGet("/stock", (Stock stock) => stock.Taken);
app.Run();
