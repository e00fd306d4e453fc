// In the style of bundled apps: a global with modules, made by functions that are called at once.
var go = {};
go;

go.app = function() {
    var vumigo = require('vumigo_v02');
    var moment = require('moment');
    var _ = require('lodash');
    var url = require('url');
    var crypto = require('crypto');
    var App = vumigo.App;
    var Choice = vumigo.states.Choice;
    var ChoiceState = vumigo.states.ChoiceState;
    var PaginatedChoiceState = vumigo.states.PaginatedChoiceState;
    var EndState = vumigo.states.EndState;
    var FreeText = vumigo.states.FreeText;
    var JsonApi = vumigo.http.api.JsonApi;

    var Menu = App.extend(function(self) {
        App.call(self, 'states:name');
        var $ = self.$;

        self.init = function() {
            self.http = new JsonApi(self.im, {auth: {username: 'user', password: 'pässword'}});
            return self.im.log.info('init at ' + moment.utc('2026-02-28', 'YYYY-MM-DD').add(1, 'day').format('D MMMM YYYY'));
        };

        self.states.add('states:name', function(name) {
            return new FreeText(name, {
                question: $('What is your name?'),
                check: function(content) {
                    if (!/^[a-zà-ÿ ]+$/i.test(content)) { return $('Only letters, please. What is your name?'); }
                },
                next: 'states:menu'
            });
        });

        self.states.add('states:menu', function(name) {
            return new ChoiceState(name, {
                question: $('Hello {{name}}, what next?').context({name: self.im.user.answers['states:name']}),
                choices: [new Choice('states:pages', $('Towns')), new Choice('states:fetch', $('Fetch')), new Choice('states:end', $('Leave'))],
                next: function(choice) {
                    return self.im.metrics.fire.inc('chosen.' + choice.value.split(':')[1]).then(function() { return choice.value; });
                }
            });
        });

        self.states.add('states:pages', function(name) {
            return new PaginatedChoiceState(name, {
                question: $('Which town?'),
                options_per_page: 3,
                characters_per_page: 80,
                choices: _.map(['Aberdeen', 'Bloemfontein', 'Calvinia', 'Durban', 'East London', 'Franschhoek', 'George'], function(town) {
                    return new Choice(town.toLowerCase(), town);
                }),
                more: $('More'), back: $('Back'),
                next: 'states:menu'
            });
        });

        self.states.add('states:fetch', function(name) {
            var target = url.resolve('http://example.com/a/b', '../c?' + require('querystring').stringify({q: 'ü b', n: [1, 2]}));
            return self.http.post(target, {data: {digest: crypto.createHash('sha1').update('ü').digest('hex')}, params: {extra: 1}})
                .then(function(response) {
                    return new EndState(name, {
                        text: $.ngettext('One result', '{{n}} results', response.data.results.length).context({n: response.data.results.length}),
                        next: 'states:name'
                    });
                });
        });

        self.states.add('states:end', function(name) {
            return new EndState(name, {text: $('Goodbye!'), next: 'states:name'});
        });
    });

    return {Menu: Menu};
}();

go.init = function() {
    var vumigo = require('vumigo_v02');
    if (this.api !== api || typeof setTimeout !== 'undefined' || typeof process !== 'undefined') { throw new Error('not the globals that an app has'); }
    return {im: new vumigo.InteractionMachine(api, new go.app.Menu())};
}.call(this);
